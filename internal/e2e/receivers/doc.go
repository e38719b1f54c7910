// Package receivers tests the sinks that are no search engines, against the receivers that their
// users have.
package receivers
