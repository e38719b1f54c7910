package enricher

import "github.com/changetrail/changetrail/stream"

// An outbox writes messages, some hundreds per transaction.
type outbox struct {
	write func([]*stream.Record) error
	out   []*stream.Record
	bytes int
}

// put adds messages that must be written together.
func (o *outbox) put(recs ...*stream.Record) error {
	const perTransaction, bytesPerTransaction = 500, 8 << 20
	o.out = append(o.out, recs...)
	for _, r := range recs {
		o.bytes += len(r.Value)
	}
	if len(o.out) < perTransaction && o.bytes < bytesPerTransaction {
		return nil
	}
	return o.flush()
}

func (o *outbox) flush() error {
	if len(o.out) == 0 {
		return nil
	}
	err := o.write(o.out)
	o.out, o.bytes = nil, 0
	return err
}
