package sqllogictest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// Provider hands out empty databases. Acquire waits until one is free.
type Provider interface {
	Acquire(ctx context.Context) (*Database, error)
}

// Database is an empty database for one pass over a file. Release is called once
// with what went wrong with it, nil as a rule.
type Database struct {
	URL     string
	Release func(ctx context.Context) error
}

// setupTimeout bounds a statement that makes or empties a database.
const setupTimeout = time.Minute

// Created are databases that are made for a run, on a server that has CREATE
// DATABASE.
type Created struct {
	*Emptied
	server string

	mu   sync.Mutex
	made int
	have map[string]string // names by URL
}

// Create makes n databases with locale C, in which text is ordered by its code
// points and only the letters of ASCII have a case. Server is the URL of a database from which they are made.
func Create(ctx context.Context, server string, n int) (*Created, error) {
	c := &Created{server: server, have: map[string]string{}}
	var urls []string
	for range n {
		made, err := c.create(ctx)
		if err != nil {
			return nil, errors.Join(err, c.Close())
		}
		urls = append(urls, made)
	}
	c.Emptied = NewEmptied(urls, c.replace)
	return c, nil
}

func (c *Created) create(ctx context.Context) (string, error) {
	target, err := url.Parse(c.server)
	if err != nil {
		return "", err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.made++
	name := fmt.Sprintf("sqllogictest_%d_%d", time.Now().UnixNano(), c.made)
	if err := c.admin(ctx, "CREATE DATABASE "+name+" TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'"); err != nil {
		return "", err
	}
	target.Path = "/" + name
	c.have[target.String()] = name
	return target.String(), nil
}

// replace drops a database and makes another.
func (c *Created) replace(ctx context.Context, database string) (string, error) {
	if err := c.drop(ctx, database); err != nil {
		return "", err
	}
	return c.create(ctx)
}

func (c *Created) drop(ctx context.Context, database string) error {
	c.mu.Lock()
	name := c.have[database]
	delete(c.have, database)
	c.mu.Unlock()
	return c.admin(ctx, "DROP DATABASE "+name+" WITH (FORCE)")
}

// Close drops the databases.
func (c *Created) Close() error {
	var errs []error
	for _, database := range slices.Collect(maps.Keys(c.have)) {
		errs = append(errs, c.drop(context.Background(), database))
	}
	return errors.Join(errs...)
}

func (c *Created) admin(ctx context.Context, sql string) error {
	conn, err := connect(ctx, c.server, setupTimeout, nil)
	if err != nil {
		return err
	}
	defer conn.close()
	_, err = conn.exec(ctx, sql)
	return err
}

// Emptied uses each of its databases for one file at a time and drops all
// relations in it afterwards.
type Emptied struct {
	free  chan string
	renew func(ctx context.Context, url string) (string, error)
}

// NewEmptied takes databases that are empty. renew replaces one that was lost or
// cannot be emptied; where it is nil that is an error.
func NewEmptied(databases []string, renew func(ctx context.Context, url string) (string, error)) *Emptied {
	e := &Emptied{free: make(chan string, len(databases)), renew: renew}
	for _, d := range databases {
		e.free <- d
	}
	return e
}

// Acquire takes a database that is free.
func (e *Emptied) Acquire(ctx context.Context) (*Database, error) {
	select {
	case d := <-e.free:
		return &Database{URL: d, Release: func(ctx context.Context) error { return e.release(ctx, d) }}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (e *Emptied) release(ctx context.Context, database string) error {
	err := empty(ctx, database)
	if err != nil && e.renew != nil {
		database, err = e.renew(ctx, database)
	}
	if err == nil {
		e.free <- database
	}
	return err
}

// CheckEmpty returns an error when a database contains relations: they would be
// dropped.
func CheckEmpty(ctx context.Context, database string) error {
	conn, err := connect(ctx, database, setupTimeout, nil)
	if err != nil {
		return err
	}
	defer conn.close()
	drops, err := dropStatements(ctx, conn)
	if err == nil && len(drops) > 0 {
		err = fmt.Errorf("the database is not empty (%s), and everything in it would be dropped", strings.TrimPrefix(drops[0], "DROP "))
	}
	return err
}

// relationKinds names what pg_class.relkind stands for in DROP.
const relationKinds = `CASE c.relkind WHEN 'r' THEN 'TABLE' WHEN 'p' THEN 'TABLE' WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW'
	WHEN 'S' THEN 'SEQUENCE' WHEN 'f' THEN 'FOREIGN TABLE' WHEN 'c' THEN 'TYPE' END`

// contents lists what a file may have left, in the order in which it is dropped;
// what an earlier DROP took along no longer exists then.
var contents = []string{
	`SELECT 'DROP ' || ` + relationKinds + ` || ' IF EXISTS "' || c.relname || '" CASCADE' FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'c') ORDER BY c.oid`,
	`SELECT 'DROP SCHEMA IF EXISTS "' || nspname || '" CASCADE' FROM pg_namespace
	WHERE nspname NOT LIKE 'pg!_%' ESCAPE '!' AND nspname NOT IN ('public', 'information_schema', 'streamdb')`,
	`SELECT CASE WHEN t.typtype = 'd' THEN 'DROP DOMAIN IF EXISTS "' ELSE 'DROP TYPE IF EXISTS "' END || t.typname || '" CASCADE'
	FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE n.nspname = 'public' AND t.typtype IN ('d', 'e', 'r')`,
	`SELECT 'DROP ROUTINE IF EXISTS "' || p.proname || '" CASCADE' FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
	WHERE n.nspname = 'public'`,
}

func dropStatements(ctx context.Context, conn *client) ([]string, error) {
	var drops []string
	for _, query := range contents {
		r, err := conn.exec(ctx, query)
		if err != nil {
			return nil, fmt.Errorf("list what is in the database: %w", err)
		}
		drops = append(drops, r.lines...)
	}
	return drops, nil
}

// empty drops everything in a database and makes sure that nothing is left.
func empty(ctx context.Context, database string) error {
	conn, err := connect(ctx, database, setupTimeout, nil)
	if err != nil {
		return err
	}
	defer conn.close()
	drops, err := dropStatements(ctx, conn)
	var errs []error
	for _, drop := range drops {
		if _, e := conn.exec(ctx, drop); e != nil {
			errs = append(errs, fmt.Errorf("%s: %w", drop, e))
		}
	}
	if err == nil && len(errs) > 0 {
		// What failed may have been taken along by a later one.
		if drops, err = dropStatements(ctx, conn); err == nil && len(drops) > 0 {
			err = fmt.Errorf("empty the database: %w", errors.Join(errs...))
		}
	}
	return err
}
