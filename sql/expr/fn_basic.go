package expr

func (t *tables) addToChar() {}
func (t *tables) addMisc()   {}
