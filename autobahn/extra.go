package autobahn

func readExtra() ([]Group, []*Case, error) { return nil, nil, nil }

type shake struct{}
