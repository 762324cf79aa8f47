// Package psql drives PostgreSQL's psql against a server in this process: its
// backslash commands must show the database's objects.
package psql

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/streamdb/streamdb/test/testserver"
)

const objects = `CREATE TABLE t (id int PRIMARY KEY, name text DEFAULT 'x', amount numeric(10,2) NOT NULL);
CREATE MATERIALIZED VIEW m AS SELECT name, count(*) AS n FROM t GROUP BY name;
CREATE VIEW v AS SELECT id FROM t;
CREATE INDEX t_name_idx ON t (name);`

// client runs psql against a fresh database.
type client struct {
	path   string
	server *testserver.Server
}

func start(t *testing.T) *client {
	t.Helper()
	path, err := exec.LookPath("psql")
	if err != nil {
		if strings.Contains(os.Getenv("STREAMDB_REQUIRE"), "postgres") {
			t.Fatal("psql is required and not installed")
		}
		t.Skip("SKIP: psql is not installed")
	}
	return &client{path: path, server: testserver.Start(t)}
}

// run gives psql an input and returns what it prints, without spaces at the
// ends of lines.
func (c *client) run(t *testing.T, input string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.path, "-X", "-q", "-P", "pager=off", "-h", "127.0.0.1", "-U", "streamdb", "streamdb")
	cmd.Env = append(os.Environ(), "PGPORT="+strconv.Itoa(c.server.Addr.Port))
	cmd.Stdin = strings.NewReader(input)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Errorf("psql %q: %v\n%s", input, err, out.String())
	}
	lines := strings.Split(out.String(), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}

func TestCommands(t *testing.T) {
	c := start(t)
	if out := c.run(t, objects); out != "" {
		t.Fatal(out)
	}
	for command, wants := range map[string][]string{
		`\d`:            {"public | m", "materialized view", "public | t", "public | v"},
		`\dt`:           {"public | t    | table | streamdb", "(1 row)"},
		`\dm`:           {"public | m    | materialized view | streamdb", "(1 row)"},
		`\dv`:           {"public | v    | view | streamdb", "(1 row)"},
		`\di`:           {"public | t_name_idx | index | streamdb | t", "public | t_pkey", "(2 rows)"},
		`\dn`:           {"public   | streamdb", "streamdb | streamdb"},
		`\du`:           {"Superuser, Create role, Create DB", "{}"},
		`\l`:            {"streamdb | streamdb | UTF8"},
		`\df upper`:     {"pg_catalog | upper | text             | text                | func"},
		`\d missing`:    {}, // quiet psql says nothing
		`\d t`:          {`Table "public.t"`, " amount | numeric(10,2) |           | not null |", "name   | text          |           |          | 'x'", `"t_pkey" PRIMARY KEY, btree (id)`, `"t_name_idx" btree (name)`},
		`\d+ t`:         {`Table "public.t"`, "extended", "Access method: heap"},
		`\d m`:          {`Materialized view "public.m"`, "n      | bigint"},
		`\d+ m`:         {"View definition:", "SELECT name, count(*) AS n FROM t GROUP BY name;"},
		`\d v`:          {`View "public.v"`, "id     | integer"},
		`\d t_name_idx`: {`Index "public.t_name_idx"`, `btree, for table "public.t"`},
		`\sv v`:         {"CREATE OR REPLACE VIEW public.v AS", "SELECT id FROM t"},
		`\dp t`:         {"public | t    | table"},
		`\d+`:           {"public | t", "permanent"},
		`\dT int4`:      {"pg_catalog | integer"},
	} {
		out := c.run(t, command)
		if strings.Contains(out, "ERROR") {
			t.Errorf("%s: %s", command, out)
		}
		for _, want := range wants {
			if !strings.Contains(out, want) {
				t.Errorf("%s: no %q in\n%s", command, want, out)
			}
		}
	}
}

// TestOtherCommands: commands about what streamdb does not have say that there
// is nothing, without an error.
func TestOtherCommands(t *testing.T) {
	c := start(t)
	for command := range strings.FieldsSeq(`\da \db \dc \dC \dd \dD \ddp \dE \des \det \deu \dew \dF \dFd \dFp \dFt \df \dl \dL \do \dO \dp \dP \drds \dRp \dRs \ds \dT \dx \dX \dy \z \l+ \du+ \dn+ \dt+ \di+ \dm+ \dv+`) {
		if out := c.run(t, command); strings.Contains(out, "ERROR") {
			t.Errorf("%s: %s", command, out)
		}
	}
}
