// Package identity tells who sent a request: an agent, a platform or a person,
// by bearer token, client certificate, or the OIDC token of a CI system.
//
// Credentials stand in a file (credentials.yaml); tokens in it as their SHA-256.
// A token has 256 random bits, so that a plain digest keeps it: there is nothing
// to guess.
package identity
