// Package setup makes what the pipeline needs of the servers around it: the
// topics, and in the search engine the index templates, the data stream, the
// indexes with their alias, and the lifecycle policies that delete what is
// older than the retention. Run twice it changes nothing.
package setup
