package engine

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/streamdb/streamdb/internal/sqlerr"
	"github.com/streamdb/streamdb/sql/catalog"
	"github.com/streamdb/streamdb/storage"
)

// Finding is one damage in a data directory.
type Finding struct {
	What     string   // the damage
	Affected []string // objects of which rows may be lost
	Remedies []string // one for each of them, or one for all
}

// Checked says what Check has read.
type Checked struct {
	Objects int
	storage.Inspected
}

// Check verifies the data directory of a server that does not run, and calls
// found for each damage. It changes no data, though Badger may write its log into
// a table. The error says why the check could
// not be finished.
func Check(ctx context.Context, dir string, log *slog.Logger, found func(Finding)) (Checked, error) {
	var sum Checked
	in, err := storage.Inspect(storage.Options{Dir: dir, Log: log})
	if err != nil {
		return sum, foundWhole(err, found)
	}
	cat, err := catalog.Load(in, systemObjects())
	if err != nil {
		err = foundWhole(err, found)
	} else {
		for _, o := range cat.Objects() {
			if o.Kind != catalog.System {
				sum.Objects++
			}
		}
		sum.Inspected, err = in.Check(ctx, func(d storage.Damage) { found(explainDamage(cat, d)) })
	}
	if closing := in.Close(); err == nil {
		err = closing
	}
	return sum, err
}

// foundWhole reports damage that leaves nothing to be named; other errors are
// returned.
func foundWhole(err error, found func(Finding)) error {
	if sqlerr.Code(err) != sqlerr.DataCorrupted {
		return err
	}
	found(Finding{What: "catalog: " + err.Error(), Remedies: []string{
		"Without the catalog nothing can be named or read: restore a backup. " +
			"What comes from Kafka can be created again in an empty directory; rows of tables are nowhere else.",
	}})
	return nil
}

// explainDamage names the objects that a damage affects.
func explainDamage(cat *catalog.Catalog, d storage.Damage) Finding {
	f := Finding{What: fmt.Sprintf("%s: %v", d.Place, d.Err)}
	if d.Run > 0 {
		f.What = d.Err.Error() // names run and place
	}
	switch d.Place {
	case "log":
		f.Remedies = []string{"The server refuses to start: epochs that were acknowledged are in the damaged part. Restore a backup."}
		return f
	case "Badger":
		f.Remedies = []string{"What cannot be read is answered with an error; a server that starts has its whole catalog. Restore a backup, or create anew what fails."}
		return f
	}
	for _, o := range damagedObjects(cat, d.First, d.Last) {
		f.Affected = append(f.Affected, o.name)
		if o.derived {
			o.remedy = "A server rebuilds it if its inputs still hold all that it was made of. Else " + o.remedy
		}
		f.Remedies = append(f.Remedies, o.remedy)
	}
	if f.Affected == nil {
		f.Remedies = []string{"No object that exists is affected."}
	}
	return f
}
