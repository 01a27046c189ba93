// SPDX-License-Identifier: Apache-2.0

package db

// An Ending is done once at the end of a transaction, for all acts in it that want the same.
type Ending interface {
	// End runs after the last act, as the function of an act does, and calls no AtEnd. Where it fails, it alone is
	// undone.
	End(tx *Tx) error
}

// AtEnd has tell called with the Ending that is under key in this transaction, which first makes where there is none yet,
// if the act succeeds: what fails is not told. End runs before the commit.
func (tx *Tx) AtEnd(key any, first func() Ending, tell func(Ending)) {
	tx.tells = append(tx.tells, telling{key, first, tell})
}

// A telling is what an act has for an Ending.
type telling struct {
	key   any
	first func() Ending
	tell  func(Ending)
}

// tell passes on what an act that has succeeded has for endings.
func (w *writer) tell(list []telling) {
	for _, t := range list {
		e, ok := w.endings[t.key]
		if !ok {
			e = t.first()
			w.endings[t.key] = e
			w.due = append(w.due, e)
		}
		t.tell(e)
	}
}

// end runs the endings that the acts of this transaction have left, and returns them as acts: what they give to After
// is due with the commit. An error returned is one that ends the whole transaction.
func (w *writer) end() (acts []*act, err error) {
	if len(w.due) == 0 {
		return nil, nil
	}
	defer w.forget()
	for _, e := range w.due {
		a := &act{f: e.End}
		if err := w.savepoint(a); err != nil {
			return nil, err
		}
		if a.err != nil {
			w.db.log.Error("at the end of a transaction", "err", a.err)
			continue
		}
		acts = append(acts, a)
	}
	return acts, nil
}

// forget drops what the acts of a transaction have left.
func (w *writer) forget() {
	w.due = nil
	clear(w.endings)
}
