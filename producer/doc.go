// Package producer lets an agent framework publish what its agents decide and do.
//
//	p, err := producer.New(producer.Kafka(producer.KafkaConfig{Brokers: []string{"localhost:9092"}}),
//		producer.Options{Source: "/agents/agent-bot-3000", Spool: "/var/lib/agent/spool"})
//	…
//	err = p.Publish(ctx, producer.Decide("acme/payments#4829", agent).
//		OnScan(digest, "GHSA-35jh-r3h4-6jhm").
//		Chose("upgrade", "lodash 4.17.21", "fixes it within the minor version").
//		Rejected("override", "pin the transitive version", "leaves the old copy in place").
//		Event())
//
// Publish returns once the broker has the event on all in-sync replicas, or, with a spool folder,
// once the event is safe on disk. It never takes longer than its context allows. Accepted events
// are not lost: events in the spool survive a crash of the program and are sent later, in order. An
// event that is sent twice because an answer was lost is one event for the pipeline, which
// recognizes it by source and id.
//
// Events travel as CloudEvents over Kafka (franz-go), over a kafka-go writer
// that a program already has (package producer/kafkago), or over HTTP.
//
// It imports few libraries, because other people's programs import it.
package producer
