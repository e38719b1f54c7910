// Package detections runs the detections of deploy/siem/detections in a real Elasticsearch and a
// real OpenSearch, and holds them against pySigma.
package detections
