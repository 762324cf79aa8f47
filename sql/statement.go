package sql

import (
	"github.com/streamdb/streamdb/sql/ast"
)

// statement parses one statement up to its semicolon.
func (p *parser) statement() ast.Stmt {
	p.enter()
	defer p.leave()
	t := p.cur()
	if t.kind == '(' {
		return p.selectStmt()
	}
	switch t.kw {
	case kwSelect, kwValues, kwTable:
		return p.selectStmt()
	case kwWith:
		return p.withStatement()
	case kwInsert, kwUpdate, kwDelete:
		return p.dml(nil)
	case kwTruncate:
		return p.truncate()
	case kwCreate:
		return p.create()
	case kwDrop:
		return p.drop()
	case kwAlter:
		return p.alter()
	case kwBegin, kwStart:
		return p.begin()
	case kwCommit, kwEnd:
		return p.commit()
	case kwRollback, kwAbort:
		return p.rollback()
	case kwSavepoint:
		return p.savepoint()
	case kwRelease:
		return p.release()
	case kwSet:
		return p.set()
	case kwReset:
		return p.reset()
	case kwShow:
		return p.show()
	case kwDiscard:
		return p.discard()
	case kwExplain:
		return p.explain()
	case kwDeclare:
		return p.declareCursor()
	case kwFetch, kwMove:
		return p.fetch()
	case kwClose:
		return p.closeCursor()
	case kwPrepare:
		return p.prepare()
	case kwExecute:
		return p.execute()
	case kwDeallocate:
		return p.deallocate()
	case kwCopy:
		return p.copy()
	case kwListen:
		return p.listen()
	case kwUnlisten:
		return p.unlisten()
	case kwNotify:
		return p.notify()
	case kwComment:
		return p.commentOn()
	case noKeyword:
		if p.isWord("subscribe") {
			return p.subscribe()
		}
	}
	return p.utilityStatement()
}
