package expr

func (t *tables) addMisc() {}
