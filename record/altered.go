package record

import "slices"

// Altered returns the facts whose sender later sent other content under the same identity.
func (f Facts) Altered() (out []Event) {
	for _, e := range f.facts() {
		if e.Altered {
			out = append(out, *e)
		}
	}
	return out
}

// SharedSource returns the facts whose source and id another sender used too. Facts that decide
// nothing, such as comments, are not compared, since a newer one may have replaced them.
func (f Facts) SharedSource() (out []Event) {
	all := slices.DeleteFunc(f.facts(), func(e *Event) bool { return decidesNothing(*e) })
	type name struct{ source, id string }
	senders := make(map[name]string, len(all))
	shared := make(map[name]bool)
	for _, e := range all {
		n := name{e.Source, e.ID}
		first, known := senders[n]
		if !known {
			senders[n] = e.Sender
		} else if first != e.Sender {
			shared[n] = true
		}
	}
	if len(shared) == 0 {
		return nil
	}
	for _, e := range all {
		if shared[name{e.Source, e.ID}] {
			out = append(out, *e)
		}
	}
	return out
}

// facts returns the own facts and the evidence, in order, each once.
func (f Facts) facts() []*Event { return union(f.Own, f.Evidence) }
