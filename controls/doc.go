// Package controls determines which controls apply to a change. A control is a requirement of a
// framework, such as 6.3.2 of PCI DSS; a compliance team lists its controls, and the changes that they
// apply to, in controls.yaml. The tags of a control are the team's own and are passed on unchanged.
//
// It does no I/O.
package controls
