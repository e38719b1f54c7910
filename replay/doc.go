// Package replay tells the story of one change: what the agent saw, what it decided and rejected,
// what it did, what validated it, who approved it, how it was merged and where it was deployed,
// each with its evidence.
//
// A story is made from the record, the events of the change and the reports in the blob store,
// whichever index contains them. The command line and the web page show the same story.
//
// It imports record, schemas and evidence.
package replay
