// Package datagen makes events out of numbers: event n depends on the seed and
// n alone, so that any split over workers, partitions or restarts gives the same
// events, and a benchmark's answer can be computed elsewhere from the same
// bytes. It knows no Kafka and no clock: times are given to it.
package datagen
