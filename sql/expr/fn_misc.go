package expr

import (
	"encoding/binary"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

func (t *tables) addMisc() {
	t.addSession()
	t.addRandom()
	count := func(null bool) maker {
		return fixed(func(c *call) func(int) (int64, error) {
			return func(row int) (n int64, err error) {
				for i := range c.args {
					n += int64(bit(c.args[i].isNull(row) == null))
				}
				return n, nil
			}
		})
	}
	t.fn("num_nulls(any...) int4", count(true), alwaysNotNull)
	t.fn("num_nonnulls(any...) int4", count(false), alwaysNotNull)
	t.fn("pg_typeof(any) regtype", func(s *site) (kernel, error) {
		oid := int64(s.args[0].Type.OID())
		return fn0e(func() (int64, error) { return oid, nil })(s)
	}, alwaysNotNull)
}

// addSession registers what the session answers. Those that are key words in
// SQL are internal: binders look them up by signature.
func (t *tables) addSession() {
	value := func(read func(*Env) string) maker {
		return func(s *site) (kernel, error) {
			text := ""
			if s.env != nil {
				text = read(s.env)
			}
			return app0e(func(dst []byte) ([]byte, error) {
				if text == "" {
					return dst, errNull
				}
				return append(dst, text...), nil
			})(s)
		}
	}
	user := value(func(e *Env) string { return e.User })
	t.fn("current_database() name", value(func(e *Env) string { return e.Database }), ofSession, nullable)
	t.fn("current_catalog() name", value(func(e *Env) string { return e.Database }), ofSession, nullable, internal)
	t.fn("current_schema() name", value(func(e *Env) string { return e.Schema }), ofSession, nullable)
	t.fn("version() text", value(func(e *Env) string { return e.Version }), ofSession, nullable)
	for _, name := range []string{"current_user", "session_user", "user", "current_role"} {
		t.fn(name+"() name", user, ofSession, nullable, internal)
	}
}

func (t *tables) addRandom() {
	source := func(name string, f func(random func() uint64) maker) maker {
		return func(s *site) (kernel, error) {
			if s.env == nil || s.env.Random == nil {
				return nil, sqlerr.New(sqlerr.FeatureNotSupported, "%s() cannot be evaluated here", name)
			}
			return f(s.env.Random)(s)
		}
	}
	t.fn("random() float8", source("random", func(random func() uint64) maker {
		return fn0e(func() (float64, error) { return float64(random()>>11) / (1 << 53), nil })
	}), isVolatile)
	t.fn("gen_random_uuid() uuid", source("gen_random_uuid", func(random func() uint64) maker {
		return app0e(func(dst []byte) ([]byte, error) {
			hi, lo := random(), random()
			dst = binary.BigEndian.AppendUint64(dst, hi&^0xf000|0x4000)   // version 4
			return binary.BigEndian.AppendUint64(dst, lo>>2|0x8<<60), nil // variant 10
		})
	}), isVolatile)
}
