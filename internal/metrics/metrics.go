// SPDX-License-Identifier: Apache-2.0

// Package metrics counts what a server does and shows the counts to the machine that it runs on, in the format of
// Prometheus (text format 0.0.4).
//
// A room owns its counters: a Counter, Gauge, Vec or Histogram is a plain value in its struct, ready at zero, and
// counting is an atomic addition (for a Vec after a look at a map). A room knows no names. Package app gives each its
// name, its help and its place in a Registry, in one list, and a table of doc/metrics.md is made from that.
//
// Labels have few values and never an address, a name or a text of anybody; what others may choose is bounded by
// the Vec. A Server answers on the loopback only, to requests that name it by a name of the loopback, so that no
// page in a browser can be made to read it.
package metrics

import (
	"fmt"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// An Entry is one metric of ours.
type Entry struct {
	Name, Kind, Help string
	Labels           []string
}

// A Registry is the list of what can be read. It is filled before it is read, by one goroutine.
type Registry struct {
	prometheus *prometheus.Registry
	entries    []Entry
}

// NewRegistry returns a registry that knows of the program: its version, its goroutines, memory, garbage collection,
// processor time and open files.
func NewRegistry(version string) *Registry {
	r := &Registry{prometheus: prometheus.NewRegistry()}
	r.prometheus.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	r.add(Entry{Name: "kith_build_info", Kind: "gauge", Help: "Always 1; the label has the version of the program.",
		Labels: []string{"version"}}, prometheus.GaugeValue, func(give func(float64, ...string)) { give(1, version) })
	return r
}

// Entries lists our metrics, in the order in which they were added.
func (r *Registry) Entries() []Entry { return r.entries }

// Counter adds what only rises.
func (r *Registry) Counter(name, help string, c *Counter) {
	r.add(Entry{name, "counter", help, nil}, prometheus.CounterValue, func(give func(float64, ...string)) { give(float64(c.Value())) })
}

// Gauge adds what rises and falls; read is called whenever somebody looks, and may be called concurrently.
func (r *Registry) Gauge(name, help string, read func() float64) {
	r.add(Entry{name, "gauge", help, nil}, prometheus.GaugeValue, func(give func(float64, ...string)) { give(read()) })
}

// Gauges adds a gauge for each value of a label; read calls give once for each, and may be called concurrently.
func (r *Registry) Gauges(name, help, label string, read func(give func(v float64, value string))) {
	r.add(Entry{name, "gauge", help, []string{label}}, prometheus.GaugeValue, func(give func(float64, ...string)) {
		read(func(v float64, value string) { give(v, value) })
	})
}

// Vec adds counters told apart by labels.
func (r *Registry) Vec(name, help string, v *Vec, labels ...string) {
	r.add(Entry{name, "counter", help, labels}, prometheus.CounterValue, func(give func(float64, ...string)) {
		v.each(func(values []string, n uint64) { give(float64(n), values...) })
	})
}

// Histogram adds h.
func (r *Registry) Histogram(name, help string, h *Histogram) {
	desc := r.describe(Entry{name, "histogram", help, nil})
	r.prometheus.MustRegister(collector{desc, func(out chan<- prometheus.Metric) {
		count, sum, below := h.read()
		out <- prometheus.MustNewConstHistogram(desc, count, sum, below)
	}})
}

func (r *Registry) add(e Entry, t prometheus.ValueType, read func(give func(float64, ...string))) {
	desc := r.describe(e)
	r.prometheus.MustRegister(collector{desc, func(out chan<- prometheus.Metric) {
		read(func(v float64, labels ...string) { out <- prometheus.MustNewConstMetric(desc, t, v, labels...) })
	}})
}

func (r *Registry) describe(e Entry) *prometheus.Desc {
	r.entries = append(r.entries, e)
	return prometheus.NewDesc(e.Name, e.Help, e.Labels, nil)
}

// Table is the list as a table of Markdown.
func (r *Registry) Table() string {
	var b strings.Builder
	b.WriteString("| metric | kind | labels | what it tells |\n|---|---|---|---|\n")
	for _, e := range r.entries {
		labels := ""
		if len(e.Labels) > 0 {
			labels = "`" + strings.Join(e.Labels, "`, `") + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", e.Name, e.Kind, labels, e.Help)
	}
	return b.String()
}

// A collector reads when somebody looks.
type collector struct {
	desc *prometheus.Desc
	read func(chan<- prometheus.Metric)
}

func (c collector) Describe(out chan<- *prometheus.Desc) { out <- c.desc }
func (c collector) Collect(out chan<- prometheus.Metric) { c.read(out) }
