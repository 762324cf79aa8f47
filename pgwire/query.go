package pgwire

import (
	"context"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/streamdb/streamdb/engine"
)

// simpleQuery answers a Query message: its statements one after the other, up
// to the first error.
func (c *conn) simpleQuery(ctx context.Context, text string) {
	defer c.readyForQuery()
	delete(c.statements, "")
	delete(c.portals, "")
	statements, err := c.session.Parse(text)
	if err != nil {
		c.sendError(err, text)
		return
	}
	if len(statements) == 0 {
		c.send(&pgproto3.EmptyQueryResponse{})
		return
	}
	stop := c.watch()
	defer stop()
	for _, st := range statements {
		if len(statements) > 1 {
			c.session.BeginImplicit()
		}
		if err := c.simpleStatement(ctx, st); err != nil {
			c.sendError(err, text)
			break
		}
	}
	if err := c.session.EndImplicit(ctx); err != nil {
		c.sendError(err, text)
	}
}

func (c *conn) simpleStatement(ctx context.Context, st *engine.Statement) error {
	p, err := c.session.PrepareSimple(ctx, st)
	if err != nil {
		return err
	}
	w := newRowWriter(c, p.Columns, nil)
	if p.Columns != nil {
		c.send(rowDescription(p.Columns, nil))
	}
	tag, err := c.session.Execute(ctx, p, nil, w)
	if err != nil {
		return err
	}
	c.send(&pgproto3.CommandComplete{CommandTag: []byte(tag)})
	return nil
}
