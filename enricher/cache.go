package enricher

// A cache holds at least the last n and at most the last 2n values used, in
// two generations: when the young one is full it becomes the old one, and what
// was old and not used since is forgotten.
type cache[V any] struct {
	n          int
	young, old map[string]V
}

func newCache[V any](n int) *cache[V] {
	return &cache[V]{n: n, young: make(map[string]V), old: make(map[string]V)}
}

func (c *cache[V]) get(key string) (V, bool) {
	if v, ok := c.young[key]; ok {
		return v, true
	}
	v, ok := c.old[key]
	if ok {
		c.put(key, v)
	}
	return v, ok
}

func (c *cache[V]) put(key string, v V) {
	if len(c.young) >= c.n {
		c.old, c.young = c.young, make(map[string]V, c.n)
	}
	c.young[key] = v
}

func (c *cache[V]) drop(key string) {
	delete(c.young, key)
	delete(c.old, key)
}
