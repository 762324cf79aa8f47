package storage

import (
	"os"
	"time"
)

// A file that is deleted at once gives its blocks back in one transaction of the file
// system's journal, which also tells the disk to discard them where it is mounted so,
// and every sync of the log waits for that: after 1 GiB for 10 to 20 ms, cut in steps for
// 2 to 5, and now and then for much longer. So a dropped file is gone by name at once,
// and what it takes on the disk is freed step by step.
const (
	freeStep  = 8 << 20
	freePause = 30 * time.Millisecond // 270 MB/s
	// freeHurry is how many files may wait before they are freed without pauses.
	freeHurry = 64
)

// freeing frees the files that were dropped.
type freeing struct {
	queue chan *os.File // no longer in any directory
	stop  chan struct{}
	ended chan struct{}
}

func startFreeing() *freeing {
	f := &freeing{queue: make(chan *os.File, 4*freeHurry), stop: make(chan struct{}), ended: make(chan struct{})}
	go f.run()
	return f
}

// add takes over a file that nobody reads any more; nil is none.
func (f *freeing) add(file *os.File) {
	if file == nil {
		return
	}
	select {
	case <-f.stop:
	default:
		select {
		case f.queue <- file:
			return
		default: // the file system frees it at once
		}
	}
	_ = file.Close()
}

func (f *freeing) run() {
	defer close(f.ended)
	for {
		select {
		case file := <-f.queue:
			f.free(file)
			_ = file.Close()
		case <-f.stop:
			return
		}
	}
}

// free cuts a file shorter and shorter. What is left when it fails or shall end
// goes with the last one that has the file open.
func (f *freeing) free(file *os.File) {
	st, err := file.Stat()
	if err != nil {
		return
	}
	for size := st.Size() - freeStep; size > 0; size -= freeStep {
		if file.Truncate(size) != nil {
			return
		}
		if len(f.queue) >= freeHurry {
			continue
		}
		select {
		case <-time.After(freePause):
		case <-f.stop:
			return
		}
	}
}

// close lets go of all files that wait. It is called once.
func (f *freeing) close() {
	close(f.stop)
	<-f.ended
	for {
		select {
		case file := <-f.queue:
			_ = file.Close()
		default:
			return
		}
	}
}
