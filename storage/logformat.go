package storage

import (
	"encoding/binary"
	"hash/crc32"
)

// On disk (all integers little endian):
//
//	<seq>.seg   4096 bytes of header, then records, each at a multiple of 16
//	record      64 bytes of header, payload
//	control     two slots of 64 bytes, 4096 apart; the valid one with the
//	            higher version counts
//
// A segment has one incarnation (opening of the log), and a random salt that
// goes into the checksum of its records' headers: what an earlier use of the
// file left behind, or what a client wrote as data, is never taken for a
// record of this use.

const (
	logSegmentHeaderSize = 4096
	logRecordHeaderSize  = 64
	logRecordAlign       = 16
	logSegmentMagic      = 0x31474f4c42445453 // "STDBLOG1"
	logControlMagic      = 0x3154434c42445453 // "STDBLCT1"
	logRecordMagic       = 0x31524453         // "SDR1"
	logFlagNoSync        = 1                  // records were not synced one by one
)

func logCRCTable() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// logChecksum is the CRC32C of the pieces, one behind the other.
func logChecksum(pieces ...[]byte) uint32 {
	crc := uint32(0)
	for _, p := range pieces {
		crc = crc32.Update(crc, logCRCTable(), p)
	}
	return crc
}

// logSegmentHeader describes a segment file.
type logSegmentHeader struct {
	number      uint64 // position of the segment in the log
	incarnation uint64 // opening of the log that wrote it
	firstSeq    uint64 // sequence number of its first record
	size        int64  // of the file
	salt        uint64
	flags       uint32
}

func (h *logSegmentHeader) encode() []byte {
	b := make([]byte, logRecordHeaderSize)
	binary.LittleEndian.PutUint64(b[0:], logSegmentMagic)
	binary.LittleEndian.PutUint32(b[12:], h.flags)
	binary.LittleEndian.PutUint64(b[16:], h.number)
	binary.LittleEndian.PutUint64(b[24:], h.incarnation)
	binary.LittleEndian.PutUint64(b[32:], h.firstSeq)
	binary.LittleEndian.PutUint64(b[40:], uint64(h.size))
	binary.LittleEndian.PutUint64(b[48:], h.salt)
	binary.LittleEndian.PutUint32(b[8:], logChecksum(b[12:]))
	return b
}

func logDecodeSegmentHeader(b []byte) (logSegmentHeader, bool) {
	if len(b) < logRecordHeaderSize {
		return logSegmentHeader{}, false
	}
	b = b[:logRecordHeaderSize]
	h := logSegmentHeader{
		flags:       binary.LittleEndian.Uint32(b[12:]),
		number:      binary.LittleEndian.Uint64(b[16:]),
		incarnation: binary.LittleEndian.Uint64(b[24:]),
		firstSeq:    binary.LittleEndian.Uint64(b[32:]),
		size:        int64(binary.LittleEndian.Uint64(b[40:])),
		salt:        binary.LittleEndian.Uint64(b[48:]),
	}
	ok := binary.LittleEndian.Uint64(b) == logSegmentMagic &&
		binary.LittleEndian.Uint32(b[8:]) == logChecksum(b[12:])
	return h, ok
}

// logRecordHeader describes a record.
type logRecordHeader struct {
	incarnation uint64
	segment     uint64
	seq         uint64 // 1 more than that of the record before
	epoch       uint64
	length      uint64 // of the payload
	crc         uint32 // of the payload
}

func (h *logRecordHeader) encode(b *[logRecordHeaderSize]byte, salt uint64) {
	*b = [logRecordHeaderSize]byte{}
	binary.LittleEndian.PutUint32(b[0:], logRecordMagic)
	binary.LittleEndian.PutUint64(b[8:], h.incarnation)
	binary.LittleEndian.PutUint64(b[16:], h.segment)
	binary.LittleEndian.PutUint64(b[24:], h.seq)
	binary.LittleEndian.PutUint64(b[32:], h.epoch)
	binary.LittleEndian.PutUint64(b[40:], h.length)
	binary.LittleEndian.PutUint32(b[48:], h.crc)
	binary.LittleEndian.PutUint32(b[4:], logHeaderChecksum(b[8:], salt))
}

func logHeaderChecksum(b []byte, salt uint64) uint32 {
	var s [8]byte
	binary.LittleEndian.PutUint64(s[:], salt)
	return crc32.Update(crc32.Update(0, logCRCTable(), s[:]), logCRCTable(), b)
}

func logDecodeRecordHeader(b []byte, salt uint64) (logRecordHeader, bool) {
	if len(b) < logRecordHeaderSize || binary.LittleEndian.Uint32(b) != logRecordMagic {
		return logRecordHeader{}, false
	}
	b = b[:logRecordHeaderSize]
	h := logRecordHeader{
		incarnation: binary.LittleEndian.Uint64(b[8:]),
		segment:     binary.LittleEndian.Uint64(b[16:]),
		seq:         binary.LittleEndian.Uint64(b[24:]),
		epoch:       binary.LittleEndian.Uint64(b[32:]),
		length:      binary.LittleEndian.Uint64(b[40:]),
		crc:         binary.LittleEndian.Uint32(b[48:]),
	}
	return h, binary.LittleEndian.Uint32(b[4:]) == logHeaderChecksum(b[8:], salt)
}

// logAlign rounds up to the alignment of records.
func logAlign(n int64) int64 { return (n + logRecordAlign - 1) &^ (logRecordAlign - 1) }
