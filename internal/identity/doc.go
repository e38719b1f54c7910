// Package identity determines who sent a request: an agent, a platform or a person, by bearer
// token, client certificate, or the OIDC token of a CI system.
//
// Credentials are listed in a file (credentials.yaml), tokens as their SHA-256. A token has 256
// random bits, so that a plain digest protects it: guessing is hopeless.
package identity
