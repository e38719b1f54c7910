// Package ocsf turns the documents of the search indexes into events of the Open Cybersecurity
// Schema Framework (https://schema.ocsf.io), for SIEMs and data lakes that store that form.
//
// One document becomes one event: a record a Compliance Finding, a gap an Application Security
// Posture Finding, an event of the stream an API Activity, Scan Activity, Application Lifecycle or
// Detection Finding. docs/ocsf.md lists the attributes. What OCSF has no attribute for is in
// unmapped, under its name in the document, so that nothing is lost.
//
// It does no I/O.
package ocsf
