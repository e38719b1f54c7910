package stream

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// with returns n good messages, with other kinds at the given places.
func with(n int, places map[int]string) []string {
	out := slices.Repeat([]string{fine}, n)
	for i, kind := range places {
		out[i] = kind
	}
	return out
}

func TestPoisonStopsNothing(t *testing.T) {
	for _, tt := range []struct {
		name string
		sent [][]string // by partition
	}{
		{"none", [][]string{with(10, nil)}},
		{"too large for the broker", [][]string{with(50, map[int]string{17: tooLarge})}},
		{"too large for the client", [][]string{with(50, map[int]string{17: wayTooLarge})}},
		{"a panic", [][]string{with(50, map[int]string{17: panics})}},
		{"an error that says so", [][]string{with(50, map[int]string{17: bad})}},
		{"the first", [][]string{with(50, map[int]string{0: panics})}},
		{"the last", [][]string{with(50, map[int]string{49: tooLarge})}},
		{"alone", [][]string{{panics}}},
		{"two in one partition", [][]string{with(50, map[int]string{3: panics, 4: tooLarge})}},
		{"two in two partitions", [][]string{with(50, map[int]string{17: panics}), with(50, map[int]string{20: tooLarge})}},
		{"beside a long partition", [][]string{with(3000, nil), with(3, map[int]string{1: bad})}},
		{"nothing else", [][]string{slices.Repeat([]string{panics}, 10)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 2)
			refused := 0
			for p, kinds := range tt.sent {
				w.send(int32(p), kinds...)
				for _, k := range kinds {
					if k != fine {
						refused++
					}
				}
			}
			f := newFake(t)
			counted := 0
			stop := w.start(f, func(tr *Transform) {
				tr.Observe = func(x Transaction) {
					if x.Committed {
						counted += x.Refused
					}
				}
			})
			w.wait()
			w.send(0, fine) // and it goes on
			w.wait()
			stop()
			w.check()
			w.checkPositions(f)
			if got := w.log.count("ERROR"); got != refused || counted != refused {
				t.Errorf("%d poisons: %d errors in the log, %d counted; the log says:\n%s", refused, got, counted, w.log)
			}
			if strings.Contains(w.log.String(), "session ended") {
				t.Errorf("a session ended:\n%s", w.log)
			}
		})
	}
}

// TestPoisonIsFoundSoon bounds how many transactions the search takes.
func TestPoisonIsFoundSoon(t *testing.T) {
	w := newWorld(t, 2)
	w.send(0, with(3000, map[int]string{1234: panics})...)
	w.send(1, with(3000, nil)...)
	turns := 0
	stop := w.start(newFake(t), func(tr *Transform) { tr.Observe = func(Transaction) { turns++ } })
	w.wait()
	stop()
	w.check()
	if turns > 60 {
		t.Errorf("one poison among 6,000 messages took %d transactions", turns)
	}
}

func TestIdleCallThatFails(t *testing.T) {
	w := newWorld(t, 1)
	f := newFake(t)
	broken := true
	f.idle = func() {
		if broken {
			panic("the clock has stopped")
		}
	}
	failed := 0
	stop := w.start(f, func(tr *Transform) {
		tr.Idle = 10 * time.Millisecond
		tr.Observe = func(x Transaction) {
			if x.Failed {
				failed++
				broken = failed < 2
			}
		}
	})
	w.send(0, fine)
	w.wait()
	for began := time.Now(); time.Since(began) < time.Minute && w.log.count("ERROR") < 2; {
		time.Sleep(10 * time.Millisecond)
	}
	w.send(0, fine)
	w.wait()
	stop()
	w.check()
	if w.log.count("ERROR") != 2 || failed != 2 {
		t.Errorf("%d failures; the log says:\n%s", failed, w.log)
	}
	if log := w.log.String(); !strings.Contains(log, "pause=1s") || !strings.Contains(log, "pause=2s") || !strings.Contains(log, "the clock has stopped") {
		t.Errorf("the log does not say what failed, or the pauses do not grow:\n%s", log)
	}
}

// TestPoisonBesideFaults makes the broker fail at the end of each of the first transactions, once
// so that the transaction did not happen and once so that it did.
func TestPoisonBesideFaults(t *testing.T) {
	for at := range 6 {
		for _, kind := range []fault{lost, done, denied, unsure} {
			t.Run(fmt.Sprintf("%d/%s", at, kind), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, 2)
				w.send(0, with(8, map[int]string{5: panics})...)
				w.send(1, with(4, map[int]string{0: tooLarge})...)
				w.cut.set(append(slices.Repeat([]fault{none}, at), kind)...)
				f := newFake(t)
				stop := w.start(f, nil)
				w.wait()
				stop()
				w.check()
				w.checkPositions(f)
			})
		}
	}
}

// TestRestartBetweenFindingAndRefusing freezes a transform at the moment when it refuses, and lets
// another one take its place.
func TestRestartBetweenFindingAndRefusing(t *testing.T) {
	w := newWorld(t, 2)
	w.send(0, with(20, map[int]string{7: panics})...)
	w.send(1, with(20, map[int]string{9: tooLarge})...)
	frozen, thaw := make(chan struct{}), make(chan struct{})
	first := newFake(t)
	first.refuse = func() {
		close(frozen)
		<-thaw
		first.refuse = nil
	}
	stopFirst := w.start(first, nil)
	<-frozen
	second := newFake(t)
	stop := w.start(second, nil)
	w.wait()
	stop()
	w.check()
	w.checkPositions(second)
	close(thaw)
	stopFirst()
	w.check()
}

// TestPartitionsMoveDuringTransaction lets a second member join while the first one is in a
// transaction, which must then end.
func TestPartitionsMoveDuringTransaction(t *testing.T) {
	w := newWorld(t, 2)
	w.send(0, with(20, nil)...)
	w.send(1, with(20, nil)...)
	first, second := newFake(t), newFake(t)
	begun, joined := make(chan struct{}), make(chan struct{})
	first.apply = func() {
		close(begun)
		<-joined
		first.apply = nil
	}
	var firstOne *Transform
	stopFirst := w.start(first, func(tr *Transform) { firstOne = tr })
	<-begun
	stopSecond := w.start(second, func(tr *Transform) { tr.Instance = "j" })
	revoked := func() bool {
		firstOne.lostMu.Lock()
		defer firstOne.lostMu.Unlock()
		return len(firstOne.lost) > 0
	}
	for began := time.Now(); !revoked(); time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > time.Minute {
			t.Fatal("no partition is revoked")
		}
	}
	close(joined)
	w.wait()
	stopFirst()
	stopSecond()
	w.check()
}

// TestPartitionsMoveBetweenTransactions lets a second member join while no messages arrive. This
// ends no session.
func TestPartitionsMoveBetweenTransactions(t *testing.T) {
	w := newWorld(t, 2)
	stopFirst := w.start(newFake(t), nil)
	w.send(0, fine)
	w.wait()
	var secondOne *Transform
	stopSecond := w.start(newFake(t), func(tr *Transform) { tr.Instance, secondOne = "j", tr })
	for began := time.Now(); len(secondOne.owns()) == 0; time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > time.Minute {
			t.Fatal("the second member gets no partition")
		}
	}
	w.send(0, fine)
	w.send(1, fine)
	w.wait()
	stopFirst()
	stopSecond()
	w.check()
	if log := w.log.String(); strings.Contains(log, "session ended") {
		t.Errorf("a session ended:\n%s", log)
	}
}

func (t *Transform) owns() []int32 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.owned)
}

// TestDeadLetterThatDoesNotFit uses a topic of dead letters with a limit that is too low. The
// partition waits, with errors in the log, until the limit is raised.
func TestDeadLetterThatDoesNotFit(t *testing.T) {
	w := newWorld(t, 1)
	a, err := NewAdmin(w.conf)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	limit := func(n string) {
		t.Helper()
		if _, err := a.Ensure(t.Context(), []TopicSpec{{testDLQ, 1, map[string]string{"max.message.bytes": n}}}, 1, false); err != nil {
			t.Fatal(err)
		}
	}
	limit("100")
	w.send(0, fine, panics, fine)
	f := newFake(t)
	stop := w.start(f, nil)
	for began := time.Now(); !strings.Contains(w.log.String(), "dead letter cannot be written"); time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > time.Minute {
			t.Fatalf("the log does not say that the dead letter is refused:\n%s", w.log)
		}
	}
	limit("100000")
	w.wait()
	stop()
	w.check()
}

// TestABatchThatTakesTooMuchMemory: the batch is read again in smaller parts, and nothing is
// refused for its size, even next to a message that can never be processed.
func TestABatchThatTakesTooMuchMemory(t *testing.T) {
	w := newWorld(t, 2)
	w.send(0, with(60, map[int]string{17: panics})...)
	w.send(1, with(60, nil)...)
	f := newFake(t)
	f.most = 3
	stop := w.start(f, nil)
	w.wait()
	stop()
	w.check()
	if !strings.Contains(w.log.String(), "exceeded its limit of time or memory") {
		t.Errorf("the log does not say so:\n%s", w.log)
	}
}

func TestErrorOfApplyThatIsNoRecordsFault(t *testing.T) {
	w := newWorld(t, 1)
	w.send(0, fine)
	f := newFake(t)
	tr := &Transform{Config: w.conf, Group: "g", Instance: "i", In: testIn, State: testState, Processor: &broken{f}, Log: discard()}
	if err := tr.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "the disk is full") {
		t.Errorf("Run returned %v", err)
	}
}

// TestPoisonAnywhere: whatever the poison is, wherever it is, and whatever the broker does: every
// good message is processed once and in order, and each poison becomes one dead letter.
func TestPoisonAnywhere(t *testing.T) {
	for seed := range uint64(10) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			rnd := rand.New(rand.NewPCG(seed, 1))
			w := newWorld(t, 1+int32(rnd.IntN(4)))
			send := func() {
				for p := range w.partitions {
					var kinds []string
					for range rnd.IntN(120) {
						kind := fine
						if rnd.IntN(30) == 0 {
							kind = poisons[rnd.IntN(len(poisons))]
						}
						kinds = append(kinds, kind)
					}
					w.send(p, kinds...)
				}
			}
			faults := make([]fault, 40)
			for i := range faults {
				if rnd.IntN(15) == 0 {
					faults[i] = fault(1 + rnd.IntN(4))
				}
			}
			w.cut.set(faults...)
			f := newFake(t)
			run := func() func() {
				return w.start(f, func(tr *Transform) {
					tr.MaxBatch = 1 + rnd.IntN(200)
					tr.Linger = time.Duration(rnd.IntN(20)) * time.Millisecond
					tr.Idle = []time.Duration{0, 5 * time.Millisecond}[rnd.IntN(2)]
				})
			}
			send()
			stop := run()
			send()
			time.Sleep(time.Duration(rnd.IntN(200)) * time.Millisecond)
			stop() // a restart, with or without its store
			w.checkPositions(f)
			if rnd.IntN(2) == 0 {
				f = newFake(t)
			}
			stop = run()
			send()
			w.wait()
			stop()
			w.check()
			w.checkPositions(f)
		})
	}
}
