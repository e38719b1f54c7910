//go:build servers

package redteam

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/changetrail/changetrail/record"
)

// kafka is a client of the port.
func (a *adversary) kafka(more ...kgo.Opt) *kgo.Client {
	a.t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(a.broker), kgo.AllowAutoTopicCreation(), kgo.RecordDeliveryTimeout(3 * time.Second), kgo.RequestRetries(1), kgo.RetryTimeout(3 * time.Second), kgo.UnknownTopicRetries(1)}, more...)...)
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(cl.Close)
	return cl
}

// produces writes messages, and reports whether they were accepted.
func (a *adversary) produces(cl *kgo.Client, messages ...*kgo.Record) error {
	ctx, cancel := context.WithTimeout(a.t.Context(), 5*time.Second)
	defer cancel()
	return cl.ProduceSync(ctx, messages...).FirstErr()
}

// claim is an event in Kafka, with headers beside those of an event.
func claim(change, id, eventType, data string, headers ...string) *kgo.Record {
	repository, _, _ := strings.Cut(change, "/pull/")
	all := append([]string{"ce_specversion", "1.0", "ce_id", id, "ce_source", "/agents/mallory", "ce_type", eventType, "ce_subject", change, "content-type", "application/json", "ce_partitionkey", repository}, headers...)
	r := &kgo.Record{Topic: "changetrail.events", Key: []byte(repository), Value: []byte(data)}
	for i := 0; i < len(all); i += 2 {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: all[i], Value: []byte(all[i+1])})
	}
	return r
}

// asks sends requests of the protocol; none may be granted.
func (a *adversary) asks(requests ...kmsg.Request) {
	a.t.Helper()
	cl := a.kafka()
	for _, r := range requests {
		ctx, cancel := context.WithTimeout(a.t.Context(), 3*time.Second)
		res, err := cl.Request(ctx, r)
		cancel()
		if err == nil {
			a.note(fmt.Sprintf("\n> kafka %T\n %s", r, bytes.ReplaceAll(res.AppendTo(nil), []byte{0}, nil)))
		}
	}
}

var topics = []string{"changetrail.records", "changetrail.enriched", "changetrail.state", "changetrail.dlq", "changetrail.policies", "changetrail.approvals", "changetrail.findings"}

func byKafka() []move {
	forged := `{"@timestamp":"2026-11-30T00:00:00Z","changetrail":{"change":{"id":"` + payments + `/pull/777","repository":"` + payments + `"},"answers":{"trigger":"proven","alternatives":"proven","authorized":"proven","reviewed":"proven"},"revision":1000000000000}}`
	moves := []move{
		{"it writes a record that never was", func(a *adversary) {
			cl := a.kafka()
			for _, topic := range topics {
				if err := a.produces(cl, &kgo.Record{Topic: topic, Key: []byte(payments + "/pull/777"), Value: []byte(forged)}); err == nil {
					a.t.Errorf("%s takes a message", topic)
				}
			}
		}},
		{"it replaces records by ones of a revision that no true one reaches", func(a *adversary) {
			cl := a.kafka()
			for _, n := range []string{"1", "2", "5"} {
				change := web + "/pull/" + n
				r := &kgo.Record{Topic: "changetrail.records", Key: []byte(change), Value: []byte(strings.ReplaceAll(forged, payments+"/pull/777", change)), Headers: []kgo.RecordHeader{{Key: "revision", Value: []byte("1000000000000")}}}
				if err := a.produces(cl, r); err == nil {
					a.t.Error("a record is taken")
				}
			}
		}},
		{"it reads all topics", func(a *adversary) {
			for _, topic := range append(topics, "changetrail.events") {
				for partition := range int32(4) {
					f := kmsg.NewPtrFetchRequest()
					f.MaxBytes, f.MaxWaitMillis, f.ReplicaID = 1<<20, 100, -1
					ft := kmsg.NewFetchRequestTopic()
					fp := kmsg.NewFetchRequestTopicPartition()
					ft.Topic, fp.Partition, fp.PartitionMaxBytes = topic, partition, 1<<20
					ft.Partitions = append(ft.Partitions, fp)
					f.Topics = append(f.Topics, ft)
					a.asks(f)
				}
			}
		}},
		{"it reads as a member of a group", func(a *adversary) {
			cl := a.kafka(kgo.ConsumerGroup("changetrail.enricher"), kgo.ConsumeTopics("changetrail.events", "changetrail.records"))
			ctx, cancel := context.WithTimeout(a.t.Context(), time.Second)
			defer cancel()
			cl.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
				a.t.Errorf("it reads %s", r.Topic)
				a.note(string(r.Value))
			})
		}},
		{"it deletes, makes and alters topics, groups and rights", func(a *adversary) {
			d := kmsg.NewPtrDeleteTopicsRequest()
			d.TopicNames = topics
			for _, topic := range topics {
				one := kmsg.NewDeleteTopicsRequestTopic()
				one.Topic = kmsg.StringPtr(topic)
				d.Topics = append(d.Topics, one)
			}
			records := kmsg.NewPtrDeleteRecordsRequest()
			rt := kmsg.NewDeleteRecordsRequestTopic()
			rt.Topic = "changetrail.events"
			rp := kmsg.NewDeleteRecordsRequestTopicPartition()
			rp.Offset = -1
			rt.Partitions = append(rt.Partitions, rp)
			records.Topics = append(records.Topics, rt)
			groups := kmsg.NewPtrDeleteGroupsRequest()
			groups.Groups = []string{"changetrail.enricher", "changetrail.sink"}
			configs := kmsg.NewPtrAlterConfigsRequest()
			cr := kmsg.NewAlterConfigsRequestResource()
			cr.ResourceType, cr.ResourceName = kmsg.ConfigResourceTypeTopic, "changetrail.events"
			cc := kmsg.NewAlterConfigsRequestResourceConfig()
			cc.Name, cc.Value = "retention.ms", kmsg.StringPtr("1")
			cr.Configs = append(cr.Configs, cc)
			configs.Resources = append(configs.Resources, cr)
			made := kmsg.NewPtrCreateTopicsRequest()
			mt := kmsg.NewCreateTopicsRequestTopic()
			mt.Topic, mt.NumPartitions, mt.ReplicationFactor = "other", 1000, 1
			made.Topics = append(made.Topics, mt)
			a.asks(d, records, groups, configs, made, kmsg.NewPtrListGroupsRequest(), kmsg.NewPtrDescribeACLsRequest())
		}},
		{"it takes over the transactions of the enricher", func(a *adversary) {
			for _, id := range []string{"changetrail.enricher.standalone", "changetrail-enricher-standalone", "standalone"} {
				r := kmsg.NewPtrInitProducerIDRequest()
				r.TransactionalID, r.TransactionTimeoutMillis, r.ProducerID, r.ProducerEpoch = kmsg.StringPtr(id), 60000, -1, -1
				a.asks(r)
			}
			o := kmsg.NewPtrOffsetCommitRequest()
			o.Group = "changetrail.enricher"
			ot := kmsg.NewOffsetCommitRequestTopic()
			ot.Topic = "changetrail.events"
			for p := range int32(4) {
				op := kmsg.NewOffsetCommitRequestTopicPartition()
				op.Partition, op.Offset = p, 1<<40
				ot.Partitions = append(ot.Partitions, op)
			}
			o.Topics = append(o.Topics, ot)
			a.asks(o)
		}},
		{"it writes every type of event without a signature, of all repositories", func(a *adversary) {
			cl := a.kafka()
			for _, change := range []string{web + "/pull/1", web + "/pull/2", web + "/pull/4", web + "/pull/5", payments + "/pull/2", payments + "/pull/3"} {
				for eventType, data := range claims(change) {
					if err := a.produces(cl, claim(change, "k-"+eventType+change, eventType, data)); err != nil {
						a.t.Error(err)
					}
				}
			}
		}},
		{"it writes decisions and refusals of other agents without a signature", func(a *adversary) {
			cl := a.kafka()
			for _, change := range []string{web + "/pull/5", payments + "/pull/2", payments + "/pull/3"} {
				a.claimed[change] = true
				_ = a.produces(cl, claim(change, "kd-"+change, record.TypeDecisionRecorded, `{"agent":{"id":"patch-pilot"},"trigger":{"kind":"prompt"},"options":[{"id":"a","outcome":"chosen"},{"id":"b","outcome":"rejected","reason":"r"}]}`))
				_ = a.produces(cl, claim(change, "kr-"+change, record.TypeIdentityRefused, `{"agent":"patch-pilot","credential":"mallory"}`))
				_ = a.produces(cl, claim(change, "kn-"+change, record.TypeRunNamed, `{"run":"run","repository":"`+payments+`"}`))
			}
		}},
		{"it forges the gateway's signature", func(a *adversary) {
			cl := a.kafka()
			for i, mac := range []string{strings.Repeat("0", 64), "", "none", "hmac:" + strings.Repeat("a", 64), "k1:" + strings.Repeat("A", 86)} {
				for _, change := range []string{web + "/pull/2", payments + "/pull/2"} {
					_ = a.produces(cl, claim(change, fmt.Sprint("kf-", i, change), record.TypeReviewSubmitted, claims(change)[record.TypeReviewSubmitted], "ce_authtype", "system", "ce_authid", "github", "ce_authmac", mac, "ce_arrivedat", "2026-01-01T00:00:00Z", "ce_imported", "true"))
				}
			}
		}},
		{"it writes under identities of others", func(a *adversary) {
			cl := a.kafka()
			for _, change := range []string{web + "/pull/2", payments + "/pull/2"} {
				r := claim(change, "asks of "+change, record.TypeReviewSubmitted, strings.Replace(claims(change)[record.TypeReviewSubmitted], "approved", "commented", 1), "ce_time", "2020-01-01T00:00:00Z")
				r.Headers[2].Value = []byte("/code-host")
				_ = a.produces(cl, r)
			}
		}},
		{"it writes with keys, times and partitions of its choice", func(a *adversary) {
			cl := a.kafka(kgo.RecordPartitioner(kgo.ManualPartitioner()))
			for p := range int32(4) {
				r := claim(payments+"/pull/2", fmt.Sprint("kp-", p), record.TypeReviewSubmitted, claims(payments + "/pull/2")[record.TypeReviewSubmitted])
				r.Key, r.Partition, r.Timestamp = []byte(web), p, time.Unix(0, 0)
				_ = a.produces(cl, r)
			}
		}},
		{"it writes what is no event", func(a *adversary) {
			cl := a.kafka()
			for _, v := range []string{"", "\x00", "{", strings.Repeat("[", 100_000), `{"specversion":"1.0"}`, strings.Repeat("x", 900_000)} {
				_ = a.produces(cl, &kgo.Record{Topic: "changetrail.events", Key: []byte(v[:min(10, len(v))]), Value: []byte(v)}, &kgo.Record{Topic: "changetrail.events", Value: []byte(v), Headers: []kgo.RecordHeader{{Key: "content-type", Value: []byte("application/cloudevents+json")}}})
			}
		}},
	}
	return append(moves, kafkaFloods()...)
}

func kafkaFloods() []move {
	promise := func(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }
	return []move{
		{"it packs 200 MB of zeros into a message", func(a *adversary) {
			for _, codec := range []kgo.CompressionCodec{kgo.GzipCompression(), kgo.ZstdCompression(), kgo.SnappyCompression(), kgo.Lz4Compression()} {
				cl := a.kafka(kgo.ProducerBatchCompression(codec), kgo.ProducerBatchMaxBytes(90<<20), kgo.BrokerMaxWriteBytes(100<<20), kgo.MaxBufferedBytes(1<<30))
				r := claim(web+"/pull/4", "bomb", record.TypeEventNoted, `{"summary":"`+strings.Repeat("0", 80<<20)+`"}`)
				_ = a.produces(cl, r, r, r)
			}
		}},
		{"it packs 1 GB of small events into few bytes", func(a *adversary) {
			cl := a.kafka(kgo.ProducerBatchCompression(kgo.ZstdCompression()), kgo.ProducerBatchMaxBytes(90<<20), kgo.BrokerMaxWriteBytes(100<<20), kgo.MaxBufferedBytes(1<<30), kgo.ProducerLinger(time.Second))
			var all []*kgo.Record
			for i := range 400 {
				all = append(all, claim(web+"/pull/4", fmt.Sprint("packed-", i), record.TypeEventNoted, `{"summary":"x","pad":"`+strings.Repeat("0", 200_000)+`"}`))
			}
			_ = a.produces(cl, all...)
		}},
		{"100 clients promise requests of 2 GB", func(a *adversary) {
			a.meanwhile(func(ctx context.Context) {
				for range 100 {
					if conn := a.dial(ctx, a.broker); conn != nil {
						_, _ = conn.Write(append(promise(1<<31-1), make([]byte, 1000)...))
						conn = a.dial(ctx, a.broker)
						_, _ = conn.Write(append(promise(30<<20), make([]byte, 1000)...))
					}
				}
				<-ctx.Done()
			})
			time.Sleep(time.Second)
		}},
		{"100 clients send 30 MB each, but for the last byte", func(a *adversary) {
			a.meanwhile(func(ctx context.Context) {
				chunk := make([]byte, 30<<20)
				for range 100 {
					a.running.Go(func() {
						if conn := a.dial(ctx, a.broker); conn != nil {
							_, _ = conn.Write(promise(30<<20 + 1))
							_, _ = conn.Write(chunk)
						}
					})
				}
				<-ctx.Done()
			})
			time.Sleep(4 * time.Second)
		}},
		{"400 clients hold the port, byte by byte", func(a *adversary) {
			a.meanwhile(func(ctx context.Context) {
				for range 400 {
					a.running.Go(func() {
						conn := a.dial(ctx, a.broker)
						for conn != nil && ctx.Err() == nil {
							if _, err := conn.Write([]byte{0}); err != nil {
								return
							}
							select {
							case <-ctx.Done():
							case <-time.After(500 * time.Millisecond):
							}
						}
					})
				}
				<-ctx.Done()
			})
			time.Sleep(time.Second)
		}},
		{"clients ask and read no answer", func(a *adversary) {
			a.meanwhile(func(ctx context.Context) {
				ask := append(promise(14), 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0, 0, 0, 0)
				for range 50 {
					a.running.Go(func() {
						conn := a.dial(ctx, a.broker)
						if conn == nil {
							return
						}
						_ = conn.SetWriteDeadline(time.Now().Add(3 * time.Second))
						_, _ = io.Copy(conn, io.LimitReader(repeat(ask), 8<<20))
					})
				}
				<-ctx.Done()
			})
			time.Sleep(time.Second)
		}},
		{"it floods the port with 20,000 events", func(a *adversary) {
			a.meanwhile(func(ctx context.Context) {
				cl := a.kafka()
				data := claims(web + "/pull/4")[record.TypeEventNoted]
				for i := range 20_000 {
					if ctx.Err() != nil {
						return
					}
					cl.Produce(ctx, claim(web+"/pull/4", fmt.Sprint("flood-", i), record.TypeEventNoted, data), nil)
				}
				_ = cl.Flush(ctx)
			})
			time.Sleep(500 * time.Millisecond)
		}},
	}
}

// repeat is text for ever.
func repeat(text []byte) io.Reader { return &repeated{text: text} }

type repeated struct {
	text []byte
	at   int
}

func (r *repeated) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = r.text[r.at]
		r.at = (r.at + 1) % len(r.text)
	}
	return len(b), nil
}
