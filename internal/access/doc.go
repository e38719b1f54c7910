// Package access decides which requests are answered, and identifies readers: it checks the host of
// a request, whether another site caused it, its token or session, and which repositories the
// reader may read. It narrows searches to those.
//
// It imports identity, problem and query.
package access
