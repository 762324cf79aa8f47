package expr

func (t *tables) addToChar()    {}
func (t *tables) addJSON()      {}
func (t *tables) addArray()     {}
func (t *tables) addMisc()      {}
func (t *tables) addJSONCasts() {}
