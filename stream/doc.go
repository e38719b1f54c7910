// Package stream connects to Kafka. It knows the topics of the contract and offers two ways of
// reading them: [Transform] consumes, keeps state and produces exactly once; [Reader] consumes at
// least once, for callers that can repeat work without harm. A Transform searches for a message
// that it can never process, refuses it, and goes on with the others.
//
// Of the packages of the pipeline only this one imports franz-go. Package producer, which other
// programs import, imports it separately.
package stream
