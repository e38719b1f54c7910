// Package access decides which requests are answered, and identifies readers: it checks the host of
// a request, whether another site caused it, its token or session, and which repositories the
// reader may read. It narrows searches to those.
//
// It keeps the sessions of those who signed in, with a token or as package signin says.
//
// It imports identity, problem, query and signin.
package access
