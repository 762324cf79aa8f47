package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"
)

// machine watches the machine beside the load, so that an epoch that was slow because
// everything was can be told from one that was slow by itself: a thread that
// sleeps, and a small file on the same disk that is written and synced.
type machine struct {
	mu         sync.Mutex
	awake      time.Duration // the longest that a sleeping thread came too late since the last take
	synced     time.Duration // the longest sync since then
	syncBegan  time.Time     // of the sync under way, zero: none
	sleepBegan time.Time
}

const (
	nap       = time.Millisecond
	syncEvery = 200 * time.Millisecond
)

// watch begins to watch; the file lies beside dir. It lasts as long as the process.
func watch(dir string) (*machine, error) {
	f, err := os.Create(filepath.Clean(dir) + ".probe")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil { // it stays open
		return nil, err
	}
	m := &machine{sleepBegan: time.Now()}
	go m.sleep()
	go m.sync(f)
	return m, nil
}

func (m *machine) sleep() {
	runtime.LockOSThread()
	for {
		time.Sleep(nap)
		m.mu.Lock()
		m.awake = max(m.awake, time.Since(m.sleepBegan)-nap)
		m.sleepBegan = time.Now()
		m.mu.Unlock()
	}
}

func (m *machine) sync(f *os.File) {
	page := make([]byte, 4096)
	for {
		time.Sleep(syncEvery)
		m.mu.Lock()
		m.syncBegan = time.Now()
		m.mu.Unlock()
		_, err := f.WriteAt(page, 0)
		if err == nil {
			err = f.Sync()
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "soak: the file beside the store is watched no longer:", err)
			return
		}
		m.mu.Lock()
		m.synced = max(m.synced, time.Since(m.syncBegan))
		m.syncBegan = time.Time{}
		m.mu.Unlock()
	}
}

// take returns the longest delays since the last call, those under way among them.
func (m *machine) take() (awake, synced time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	awake, synced = max(m.awake, time.Since(m.sleepBegan)-nap), m.synced
	if !m.syncBegan.IsZero() {
		synced = max(synced, time.Since(m.syncBegan))
	}
	m.awake, m.synced = 0, 0
	return awake, synced
}
