package enricher

// A cache holds the values used last, in two generations. When the young generation is full it
// becomes the old one, and values of the old one that were not used since are dropped. The values
// that it holds weigh at least limit and at most twice that.
type cache[V any] struct {
	limit      int
	weight     int // of the young
	young, old map[key]V
}

func newCache[V any](limit int) *cache[V] {
	return &cache[V]{limit: limit, young: make(map[key]V), old: make(map[key]V)}
}

// get returns a value. weight returns what a value weighs now.
func (c *cache[V]) get(k key, weight func(V) int) (V, bool) {
	if v, ok := c.young[k]; ok {
		return v, true
	}
	v, ok := c.old[k]
	if ok {
		c.put(k, v, weight(v))
	}
	return v, ok
}

func (c *cache[V]) put(k key, v V, weight int) {
	if c.weight > c.limit {
		c.old, c.young, c.weight = c.young, make(map[key]V, len(c.young)), 0
	}
	c.young[k] = v
	c.weight += weight
}

// grow records that a value of the cache has become heavier.
func (c *cache[V]) grow(weight int) { c.weight += weight }

func (c *cache[V]) drop(k key) {
	delete(c.young, k)
	delete(c.old, k)
}

func (c *cache[V]) clear() {
	clear(c.young)
	clear(c.old)
	c.weight = 0
}
