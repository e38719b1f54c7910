package masking

import (
	"context"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/evidence"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

// written returns env as a message that replaces r. A signed event is signed again: the key's owner
// vouches that it is the same event, masked.
func (m *Masker) written(r *stream.Record, before, env schemas.Envelope) (*stream.Record, error) {
	env.AuthMAC = ""
	if before.AuthMAC != "" && !m.Keys.CanSign() {
		return nil, fmt.Errorf("%s: %w", place(r), ErrNoKey)
	}
	if schemas.SenderOf(m.Keys, before) != "" {
		env.AuthMAC = schemas.Sign(m.Keys, env)
	}
	out := &stream.Record{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Key: r.Key, Timestamp: r.Timestamp, Value: env.Data}
	if string(r.Key) == before.PartitionKey {
		out.Key = []byte(env.PartitionKey)
	}
	for name, value := range env.Attributes {
		stream.AddHeader(out, name, []byte(value))
	}
	for _, h := range r.Headers {
		switch h.Key {
		case stream.HeaderArrived:
			if at, ok := schemas.ReadArrival(m.Keys, before, h.Value); ok {
				stream.AddHeader(out, h.Key, schemas.Arrival(m.Keys, env, at))
			}
		case stream.HeaderRerouted, stream.HeaderTrace:
			out.Headers = append(out.Headers, h)
		}
	}
	return out, nil
}

// report masks the file that an event carries, and updates its digest.
func (m *Masker) report(ctx context.Context, kind string, data []byte) (out []byte, rules []string, err error) {
	if kind != record.TypeScanCompleted && kind != record.TypeValidationCompleted {
		return data, nil, nil
	}
	var members, report map[string]jsontext.Value
	var carried struct {
		Report record.Report `json:"report"`
	}
	read := json.Unmarshal(data, &members) == nil && json.Unmarshal(members["report"], &report) == nil && json.Unmarshal(data, &carried) == nil
	if !read || len(carried.Report.Content) == 0 {
		return data, nil, nil
	}
	former := carried.Report
	file, err := evidence.Unpack(&former)
	if err != nil || file == nil {
		return data, nil, nil // it is refused, before and after
	}
	masked, rules, err := m.Rules.File(ctx, file)
	if err != nil || len(rules) == 0 {
		return data, nil, err
	}
	packed, err := evidence.Pack(masked, carried.Report.Format)
	if err != nil {
		return nil, nil, err
	}
	m.note(former.Digest, packed.Digest)
	for name, v := range map[string]any{"content": packed.Content, "encoding": packed.Encoding, "digest": packed.Digest, "size": packed.Size} {
		if report[name], err = json.Marshal(v); err != nil {
			return nil, nil, err
		}
	}
	if members["report"], err = json.Marshal(report, json.Deterministic(true)); err != nil {
		return nil, nil, err
	}
	out, err = json.Marshal(members, json.Deterministic(true))
	return out, rules, err
}
