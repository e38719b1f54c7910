// Package noting does the work of an agent's hook at each tool call: it reads the call, writes it to
// the log without its secrets, and answers. The commands changetrail hook and changetrail-hook both use it.
//
// The agent waits for it, so it imports little. Another process of changetrail does the rest:
// sending, which nobody waits for, and asking the policy, if the settings want that.
package noting
