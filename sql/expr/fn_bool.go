package expr

func mixed(f *Function)    { f.mixed = true }
func rawBytes(f *Function) { f.rawBytes = true }

func compareBools(a, b bool) int { return bit(a) - bit(b) }

func (t *tables) addBool() {
	t.compare("bool*", "bool", "bool", threeWay(compareBools))
}
