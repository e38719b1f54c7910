package record

// Altered returns the facts under whose identity their sender said something else later.
func (f Facts) Altered() (out []Event) {
	for _, e := range f.facts() {
		if e.Altered {
			out = append(out, *e)
		}
	}
	return out
}

// SharedSource returns the facts whose source and id another sender used, too.
func (f Facts) SharedSource() (out []Event) {
	type name struct{ source, id string }
	senders := make(map[name]string)
	shared := make(map[name]bool)
	all := f.facts()
	for _, e := range all {
		n := name{e.Source, e.ID}
		first, known := senders[n]
		if !known {
			senders[n] = e.Sender
		}
		shared[n] = shared[n] || known && first != e.Sender
	}
	for _, e := range all {
		if shared[name{e.Source, e.ID}] {
			out = append(out, *e)
		}
	}
	return out
}

// facts are the own facts and the evidence, in order, each once.
func (f Facts) facts() []*Event { return union(f.Own, f.Evidence) }
