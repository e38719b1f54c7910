// Package health writes how the pipeline itself does as documents into a search index: how far each part
// is behind, each dead letter, when each source was last heard, and which source fell silent. Alerts about
// the pipeline can then be set where the other alerts are.
//
// It reads consumer groups and dead letters from Kafka, and the arrival of events from the index. What
// cannot be measured has the status unknown. The ids of documents follow from what they state: several
// reporters write each document once.
//
// It imports schemas, sinks, stream and enricher.
package health
