package storage

type tree struct{}
type version struct{}

func newTree(s *Store, man *manifest) (*tree, error) { return &tree{}, nil }
func (t *tree) acquire() *version                    { return nil }
func (t *tree) release(*version)                     {}
func (v *version) get(p Placement, arr Arrangement, key []byte, h, epoch uint64, buf []byte) ([]byte, bool, error) {
	return buf, false, nil
}

type runHome uint8

const (
	homeFiles runHome = iota
	homeBadger
)

type runPlace struct {
	home runHome
	id   uint64
}
type runDesc struct {
	id   uint64
	home runHome
}

func (d *runDesc) encode() []byte     { return nil }
func (d *runDesc) decode(d2 *decoder) {}
func (s *Store) blocks(home runHome) BlockStore {
	if home == homeFiles {
		return s.seams.Files
	}
	return s.seams.Results
}

type missReader struct{ index []uint32 }

func (s *Store) fetchMisses(arr Arrangement, p Placement, keys interface{}, out Values) error {
	return nil
}

type background struct{}

func (s *Store) startBackground()    {}
func (s *Store) stopBackground()     {}
func (s *Store) backPressure() error { return nil }
func (s *Store) housekeeping()       { s.mem.tidy(); s.mem.count() }

const maxBlockSize = 64 << 10
