// Package whatif decides merged changes of agents again by another policy: how many more people it
// would have asked than the policies that were in force, and which bad changes it would have
// stopped.
//
// It works on records as they are indexed ([policy.RequestOfDocument]), which do not contain
// everything. What cannot be decided from them is counted apart: neither as asked nor as free.
//
// It may import record and policy. It does no I/O.
package whatif
