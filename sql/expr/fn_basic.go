package expr

import "github.com/streamdb/streamdb/sql/types"

func (t *tables) addDateTime() {
	t.compare("timestamp_*", "timestamp", "timestamp", intCompare().maker)
	t.compare("timestamptz_*", "timestamptz", "timestamptz", intCompare().maker)
	t.compare("date_*", "date", "date", intCompare().maker)
	t.compare("time_*", "time", "time", intCompare().maker)
}
func (t *tables) addInterval() {
	t.compare("interval_*", "interval", "interval", threeWay(interval.Cmp))
}
func (t *tables) addExtract()                         {}
func (t *tables) addToChar()                          {}
func (t *tables) addPattern()                         {}
func (t *tables) addJSON()                            {}
func (t *tables) addArray()                           {}
func (t *tables) addMisc()                            {}
func (t *tables) addJSONCasts()                       {}
func dateToTimestamptz(d int64, z any) (int64, error) { return 0, nil }

var _ = types.Text
