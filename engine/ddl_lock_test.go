package engine

import (
	"context"
	"testing"
	"time"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

// TestWaitForDDL has a statement wait for another one that changes the catalog: it
// heeds statement_timeout and cancel, and nothing of it happens.
func TestWaitForDDL(t *testing.T) {
	db := openTestDB(t)
	db.engine.ddl <- struct{}{} // another session's statement
	s := db.session("a").session
	run := func(ctx context.Context, text string) error {
		t.Helper()
		statements, err := s.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		p, err := s.Prepare(ctx, statements[0], nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Execute(ctx, p, nil, db.session("a"))
		return err
	}
	if err := run(t.Context(), `SET statement_timeout = '20ms'`); err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), `CREATE TABLE waits (a int)`); sqlerr.Code(err) != sqlerr.QueryCanceled {
		t.Errorf("statement_timeout: %v", err)
	}
	if err := run(t.Context(), `SET statement_timeout = 0`); err != nil {
		t.Fatal(err)
	}
	canceled, ended := make(chan struct{}), make(chan struct{})
	go func() { // until it meets the statement
		defer close(ended)
		for ; ; time.Sleep(time.Millisecond) {
			select {
			case <-canceled:
				return
			default:
				s.Cancel()
			}
		}
	}()
	if err := run(t.Context(), `CREATE TABLE waits (a int)`); sqlerr.Code(err) != sqlerr.QueryCanceled {
		t.Errorf("cancel: %v", err)
	}
	close(canceled)
	<-ended
	<-db.engine.ddl
	if err := run(t.Context(), `CREATE TABLE waits (a int)`); err != nil {
		t.Errorf("after it: %v", err)
	}
}
