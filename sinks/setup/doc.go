// Package setup prepares the servers that the pipeline uses: the topics in Kafka, and in the search
// engine the index templates, the data stream, the indexes with their alias, and the lifecycle
// policies that delete documents older than the retention. Running it twice changes nothing.
package setup
