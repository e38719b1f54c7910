// Package signin finds out which person uses a browser: from an OpenID Connect provider such as
// Keycloak (authorization code flow with PKCE), or from the headers of a proxy that authenticates
// people. It gives the person the roles that the settings derive from claims or groups.
//
// It keeps no sessions: package access does. It imports identity, problem and settings.
package signin
