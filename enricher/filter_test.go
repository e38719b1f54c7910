package enricher

import (
	"fmt"
	"testing"
)

// TestAFilterForgetsNothing fills a filter into its third part.
func TestAFilterForgetsNothing(t *testing.T) {
	const first = 4000
	const n = first * 11 / 2
	keyAt := func(i int) key {
		if i%2 == 0 {
			return keyOf(int32(i%7), kindRef, nameOf(fmt.Sprint(i)))
		}
		n := nameOf(fmt.Sprint(i))
		return keyOf(3, kindCounted, nameOf("one"), string(n[:8]))
	}
	f := filter{first: first}
	for i := range n {
		f.add(keyAt(i))
	}
	if len(f.parts) != 3 {
		t.Errorf("%d parts", len(f.parts))
	}
	for i := range n {
		if !f.may(keyAt(i)) {
			t.Fatalf("%d is forgotten", i)
		}
	}
	wrong := 0
	for i := range n {
		if f.may(keyAt(n + i)) {
			wrong++
		}
	}
	if wrong > n/50 {
		t.Errorf("of %d prefixes that were never added, the filter reports %d as added", n, wrong)
	}
}

// TestAStoreThatIsOpenedAgainFindsWhatItHolds looks up keys before and after the filter of the
// old content is complete.
func TestAStoreThatIsOpenedAgainFindsWhatItHolds(t *testing.T) {
	dir := t.TempDir()
	s, err := openStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	var entries []entry
	for i := range 5000 {
		entries = append(entries, entry{keyOf(1, kindFact, nameOf(fmt.Sprint(i)), "fact"), []byte{classOwn}})
	}
	if err := s.write(entries[:4000], nil); err != nil {
		t.Fatal(err)
	}
	if err := s.db.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	if s, err = openStore(dir); err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if err := s.write(entries[4000:], nil); err != nil {
		t.Fatal(err)
	}
	look := func() {
		t.Helper()
		for i, x := range entries {
			if v, err := s.get(x.key); len(v) != 1 || err != nil {
				t.Fatalf("%d: %q %v", i, v, err)
			}
			if l, err := s.list(x.key[:prefixSize], ""); len(l) != 1 || err != nil {
				t.Fatalf("%d: %q %v", i, l, err)
			}
		}
	}
	look()
	s.scanning.Wait()
	look()
	if s.before.Load() == nil {
		t.Error("the filter of what was there is missing")
	}
	if v, err := s.get(keyOf(1, kindFact, nameOf("none"), "fact")); v != nil || err != nil {
		t.Errorf("%q %v", v, err)
	}
}
