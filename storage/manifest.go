package storage

import (
	"encoding/binary"
	"fmt"

	"github.com/streamdb/streamdb/internal/sqlerr"
)

// The manifest is the part of Meta below "s/":
//
//	s/state        flushed epoch, its clock and positions, next run number
//	s/meta         epoch of the last catalog changes that were applied
//	s/a/<arr>      an arrangement: placement, epoch of its drop
//	s/r/<run>      a run (I3)
//
// Everything else belongs to the callers.
const (
	manifestPrefix   = "s/"
	manifestState    = "s/state"
	manifestMeta     = "s/meta"
	manifestArr      = "s/a/"
	manifestRun      = "s/r/"
	manifestVersion  = 1
	arrangementAlive = 0
)

// arrState is what the store knows of an arrangement.
type arrState struct {
	placement Placement
	dropped   uint64 // epoch of the drop, arrangementAlive: none
}

// manifest is what Open reads.
type manifest struct {
	flushed   uint64
	clock     int64
	positions []byte
	nextRun   uint64
	metaEpoch uint64
	arrs      map[Arrangement]arrState
	runs      []runDesc
}

func arrKey(arr Arrangement) []byte {
	return binary.BigEndian.AppendUint32([]byte(manifestArr), uint32(arr))
}

func runKey(run uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte(manifestRun), run)
}

func arrChange(arr Arrangement, st arrState) MetaChange {
	v := []byte{manifestVersion, byte(st.placement)}
	return MetaChange{Key: arrKey(arr), Value: binary.AppendUvarint(v, st.dropped)}
}

func metaEpochChange(epoch uint64) MetaChange {
	return MetaChange{Key: []byte(manifestMeta), Value: binary.AppendUvarint([]byte{manifestVersion}, epoch)}
}

func stateChange(flushed uint64, clock int64, positions []byte, nextRun uint64) MetaChange {
	v := binary.AppendUvarint([]byte{manifestVersion}, flushed)
	v = binary.AppendVarint(v, clock)
	v = appendOptional(v, positions)
	return MetaChange{Key: []byte(manifestState), Value: binary.AppendUvarint(v, nextRun)}
}

func runChange(d *runDesc) MetaChange { return MetaChange{Key: runKey(d.id), Value: d.encode()} }

// readManifest reads the manifest; an empty Meta gives an empty one.
func readManifest(m Meta) (*manifest, error) {
	man := &manifest{nextRun: 1, arrs: map[Arrangement]arrState{}}
	err := m.Scan([]byte(manifestPrefix), func(key, value []byte) error {
		d := &decoder{b: value}
		if v := d.byte(); v != manifestVersion {
			return sqlerr.New(sqlerr.DataCorrupted, "manifest entry %q has format version %d, this server knows %d", key, v, manifestVersion)
		}
		man.entry(string(key), d)
		if d.bad || len(d.b) != 0 {
			return sqlerr.New(sqlerr.DataCorrupted, "manifest entry %q is malformed", key)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("could not read the manifest: %w", err)
	}
	return man, nil
}

func (man *manifest) entry(key string, d *decoder) {
	number := func(prefix string) (n uint64) {
		for _, c := range []byte(key[len(prefix):]) {
			n = n<<8 | uint64(c)
		}
		return n
	}
	switch {
	case key == manifestState:
		man.flushed = d.uvarint()
		man.clock = d.varint()
		man.positions = cloneOptional(d.optional())
		man.nextRun = d.uvarint()
	case key == manifestMeta:
		man.metaEpoch = d.uvarint()
	case len(key) == len(manifestArr)+4 && key[:len(manifestArr)] == manifestArr:
		st := arrState{placement: Placement(d.byte()), dropped: d.uvarint()}
		man.arrs[Arrangement(number(manifestArr))] = st
	case len(key) == len(manifestRun)+8 && key[:len(manifestRun)] == manifestRun:
		desc := runDesc{id: number(manifestRun)}
		desc.decode(d)
		man.runs = append(man.runs, desc)
	default:
		d.fail()
	}
}

// cloneOptional copies b; nil stays nil and empty stays empty.
func cloneOptional(b []byte) []byte {
	if b == nil {
		return nil
	}
	return append([]byte{}, b...)
}
