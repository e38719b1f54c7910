package enricher

import "github.com/changetrail/changetrail/stream"

// An outbox writes messages, some hundred in a transaction.
type outbox struct {
	write func([]*stream.Record) error
	out   []*stream.Record
}

// put adds messages that must be written together.
func (o *outbox) put(recs ...*stream.Record) error {
	const perTransaction = 500
	o.out = append(o.out, recs...)
	if len(o.out) < perTransaction {
		return nil
	}
	return o.flush()
}

func (o *outbox) flush() error {
	if len(o.out) == 0 {
		return nil
	}
	err := o.write(o.out)
	o.out = nil
	return err
}
