package sql

import (
	"github.com/streamdb/streamdb/sql/ast"
)

// begin parses BEGIN and START TRANSACTION.
func (p *parser) begin() ast.Stmt {
	s := &ast.Begin{Pos: p.pos()}
	if p.acceptKw(kwStart) {
		p.expectKw(kwTransaction)
	} else {
		p.next()
		p.work()
	}
	s.Modes = p.transactionModes()
	return s
}

// work parses [WORK|TRANSACTION].
func (p *parser) work() {
	if !p.acceptKw(kwWork) {
		p.acceptKw(kwTransaction)
	}
}

// transactionModes parses modes, parted by commas or by nothing.
func (p *parser) transactionModes() []ast.TransactionMode {
	var list []ast.TransactionMode
	for p.err == nil {
		switch {
		case p.acceptKws(kwIsolation, kwLevel):
			list = append(list, p.isolationLevel())
		case p.acceptKws(kwRead, kwOnly):
			list = append(list, "READ ONLY")
		case p.acceptKws(kwRead, kwWrite):
			list = append(list, "READ WRITE")
		case p.acceptKws(kwDeferrable):
			list = append(list, "DEFERRABLE")
		case p.acceptKws(kwNot, kwDeferrable):
			list = append(list, "NOT DEFERRABLE")
		default:
			return list
		}
		if p.accept(',') && p.atEnd() {
			p.fail()
		}
	}
	return list
}

func (p *parser) isolationLevel() ast.TransactionMode {
	switch {
	case p.acceptKw(kwSerializable):
		return "ISOLATION LEVEL SERIALIZABLE"
	case p.acceptKws(kwRepeatable, kwRead):
		return "ISOLATION LEVEL REPEATABLE READ"
	case p.acceptKw(kwRead):
		if p.acceptKw(kwCommitted) {
			return "ISOLATION LEVEL READ COMMITTED"
		}
		p.expectKw(kwUncommitted)
		return "ISOLATION LEVEL READ UNCOMMITTED"
	}
	p.fail()
	return ""
}

// chainClause parses [AND [NO] CHAIN].
func (p *parser) chainClause() bool {
	if !p.acceptKw(kwAnd) {
		return false
	}
	no := p.acceptKw(kwNo)
	p.expectKw(kwChain)
	return !no
}

// commit parses COMMIT and END. COMMIT PREPARED is a Utility.
func (p *parser) commit() ast.Stmt {
	if p.isKw(kwCommit) && p.peekKw(1, kwPrepared) {
		return p.utilitySet(p.i, "COMMIT PREPARED")
	}
	s := &ast.Commit{Pos: p.pos()}
	p.next()
	p.work()
	s.Chain = p.chainClause()
	return s
}

// rollback parses ROLLBACK, ABORT and ROLLBACK TO SAVEPOINT.
func (p *parser) rollback() ast.Stmt {
	pos := p.pos()
	if p.isKw(kwRollback) && p.peekKw(1, kwPrepared) {
		return p.utilitySet(p.i, "ROLLBACK PREPARED")
	}
	plain := p.isKw(kwRollback)
	p.next()
	p.work()
	if plain && p.acceptKw(kwTo) {
		p.acceptKw(kwSavepoint)
		return &ast.RollbackTo{Pos: pos, Name: p.colID()}
	}
	return &ast.Rollback{Pos: pos, Chain: p.chainClause()}
}

// savepoint parses SAVEPOINT name.
func (p *parser) savepoint() ast.Stmt {
	s := &ast.Savepoint{Pos: p.pos()}
	p.next()
	s.Name = p.colID()
	return s
}

// release parses RELEASE [SAVEPOINT] name.
func (p *parser) release() ast.Stmt {
	s := &ast.ReleaseSavepoint{Pos: p.pos()}
	p.next()
	if p.isKw(kwSavepoint) && !p.peekEnds(1) {
		p.next()
	}
	s.Name = p.colID()
	return s
}

// peekEnds reports whether the token n behind the current one ends the
// statement.
func (p *parser) peekEnds(n int) bool {
	t := p.peek(n)
	return t.kind == tokEOF || t.kind == ';'
}
