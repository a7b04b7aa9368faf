import { STEERING_SCRIPT } from './page-steering.js'

/**
 * The script of the live page. It keeps, of each run, how far its records have come (`positions`), so that a connection that breaks is
 * taken up where it was; figures are drawn by the server and put on the screen here. `window.llamaProLive` tells tests and the curious
 * what has been received and how long redraws took.
 */
export const PAGE_SCRIPT = `
'use strict';
(() => {
  const byId = id => document.getElementById(id)
  const make = (tag, properties, ...children) => {
    const element = Object.assign(document.createElement(tag), properties)
    element.append(...children)
    return element
  }
  const query = new URLSearchParams(location.search)
  const token = query.get('token')
  const dark = matchMedia('(prefers-color-scheme: dark)')
  const positions = new Map()
  const received = {}
  const redraws = []
  const hidden = new Set()
  let canWrite = false
  let socket = null
  let requests = 0
  let waitMs = 250
  window.llamaProLive = { received, redraws, connections: 0 }

  // what is drawn

  const view = () => ({
    x: byId('x').value,
    unit: byId('unit').value,
    smoothing: touched.has('smoothing') ? Number(byId('smoothing').value) : null,
    logX: byId('logX').checked,
    logY: touched.has('logY') ? byId('logY').checked : null,
    clipOutliers: byId('clipOutliers').checked,
    forgottenProbe: byId('forgottenProbe').value || null,
    hidden: [...hidden],
    theme: dark.matches ? 'dark' : 'light',
  })
  const touched = new Set()
  const cards = new Map()
  const send = message => {
    if (socket && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message))
  }
  const isEmpty = card => card.box.classList.contains('empty')
  // an empty card stands below all others, mostly out of sight: it moves up when there is something to draw, so it asks all the time
  const sendView = () => {
    const seen = [...cards.values()].filter(card => (card.isVisible || isEmpty(card)) && !document.hidden)
    send({ type: 'view', figures: seen.map(card => card.name), view: view() })
  }
  const observer = new IntersectionObserver(entries => {
    for (const entry of entries) cards.get(entry.target.dataset.figure).isVisible = entry.isIntersecting
    sendView()
  }, { rootMargin: '200px' })

  const fileUrl = (name, kind) =>
    'figures/' + name + '.' + kind + '?token=' + token + '&view=' + encodeURIComponent(JSON.stringify(view()))
  const addCard = name => {
    const plot = make('div', { className: 'plot' })
    const title = make('h2', { textContent: name.replace('-', ' ') })
    const caption = make('p')
    const download = (kind, act) => make('button', { type: 'button', textContent: kind, title: 'save as ' + kind, onclick: act })
    const follow = kind => () => make('a', { href: fileUrl(name, kind), download: name + '.' + kind }).click()
    const png = () => Plotly.downloadImage(plot, { format: 'png', scale: 2, filename: name })
    const wide = () => { box.classList.toggle('wide'); Plotly.Plots.resize(plot) }
    const head = make('div', { className: 'head' }, title,
      download('PNG', png), download('SVG', follow('svg')), download('CSV', follow('csv')),
      make('button', { type: 'button', textContent: '↔', title: 'wide or narrow', onclick: wide }))
    const box = make('section', { className: 'figure card empty' }, head, caption, plot)
    box.dataset.figure = name
    cards.set(name, { name, box, title, caption, plot, isVisible: false, isWide: false })
    byId('figures').append(box)
    observer.observe(box)
  }

  const drawFigure = async (message, started) => {
    const card = cards.get(message.figure)
    if (!card) return
    if (isEmpty(card) === message.hasData) {
      card.box.classList.toggle('empty')
      sendView()
    }
    if (message.isWide !== card.isWide) card.box.classList.toggle('wide', message.isWide)
    card.isWide = message.isWide
    card.title.textContent = message.title
    card.caption.textContent = message.caption
    if (message.hasData) {
      const { data, layout, config } = message.plotly
      delete layout.title
      const { x, unit, logX, logY } = view()
      layout.margin = { ...layout.margin, t: 28 }
      // the more keys a legend has, the more lines it takes from the plot
      const keys = data.filter(trace => trace.showlegend !== false).length
      layout.height += 20 * Math.max(0, Math.ceil(keys / 4) - 2) - 40
      layout.uirevision = [message.figure, x, unit, logX, logY].join()
      layout.paper_bgcolor = layout.plot_bgcolor = 'rgba(0,0,0,0)'
      await Plotly.react(card.plot, data, layout, config)
      redraws.push({ figure: message.figure, ms: performance.now() - started })
      if (redraws.length > 500) redraws.shift()
    }
  }

  // runs

  const rows = new Map()
  const duration = seconds => {
    if (seconds === null) return ''
    const whole = Math.round(seconds)
    const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60]
    return h > 0 ? h + ' h ' + m + ' min' : m + ':' + String(s).padStart(2, '0')
  }
  const whole = value => value === null ? '' : Math.round(value).toLocaleString('en')
  const set = (element, text) => { if (element.textContent !== text) element.textContent = text }

  const addRow = name => {
    const cell = className => make('td', { className })
    const box = make('input', { type: 'checkbox', checked: true })
    box.onchange = () => {
      if (box.checked) hidden.delete(name)
      else hidden.add(name)
      sendView()
    }
    const swatch = make('span', { className: 'swatch' })
    const filled = make('i')
    const steps = make('span')
    const button = action => make('button', {
      type: 'button', textContent: action,
      onclick: () => ask({ type: 'control', action, run: name }),
    })
    const buttons = { pause: button('pause'), resume: button('resume'), stop: button('stop') }
    const parts = { status: cell(''), loss: cell('number'), speed: cell('number'), left: cell('number') }
    const element = make('tr', {},
      make('td', {}, make('label', {}, box, swatch, make('span', { textContent: name }))),
      parts.status, make('td', {}, make('span', { className: 'bar' }, filled), steps),
      parts.loss, parts.speed, parts.left, make('td', {}, ...Object.values(buttons)))
    byId('runs').querySelector('tbody').append(element)
    const row = { ...parts, element, swatch, filled, steps, buttons }
    rows.set(name, row)
    return row
  }

  const showRuns = runs => {
    const none = byId('runs').querySelector('tr.none')
    if (none && runs.length > 0) none.remove()
    for (const run of runs) {
      const row = rows.get(run.name) || addRow(run.name)
      row.swatch.style.color = run.color[dark.matches ? 'dark' : 'light']
      row.swatch.classList.toggle('dashed', run.isDashed)
      set(row.status, run.problem || (run.isPaused ? 'paused' : run.status))
      row.status.className = run.problem ? 'problem' : run.isPaused ? '' : run.status
      row.filled.style.width = run.steps ? (100 * run.step) / run.steps + '%' : '0'
      set(row.steps, whole(run.step) + (run.steps === null ? '' : ' / ' + whole(run.steps)))
      set(row.loss, run.lossNats === null ? '' : run.lossNats.toFixed(4))
      set(row.speed, whole(run.tokensPerSec))
      set(row.left, duration(run.etaSeconds))
      const canSteer = canWrite && run.isActive && run.status === 'training'
      row.buttons.pause.hidden = !canSteer || run.isPaused
      row.buttons.resume.hidden = !canSteer || !run.isPaused
      row.buttons.stop.hidden = !canSteer
    }
    showProbes([...new Set(runs.flatMap(run => run.probes))])
    const names = new Set(runs.map(run => run.name))
    for (const [name, row] of rows) {
      if (names.has(name)) continue
      row.element.remove()
      rows.delete(name)
    }
    window.llamaProLive.runs = runs
  }

  // what may be forgotten; chosen by the server until somebody chooses
  const showProbes = probes => {
    const select = byId('forgottenProbe')
    select.parentElement.hidden = probes.length < 2
    if (probes.join() === [...select.options].slice(1).map(option => option.value).join()) return
    const chosen = probes.includes(select.value) ? select.value : ''
    select.replaceChildren(select.options[0], ...probes.map(name => make('option', { value: name, textContent: name })))
    select.value = chosen
  }

  // records: each exactly once, in their order

  const takeRecords = ({ run, from, next, mark, records }) => {
    const known = positions.get(run)
    if (known && known.next !== from) return followAll()
    positions.set(run, { next, mark })
    const mine = received[run] || (received[run] = { first: from, count: 0, steps: [] })
    mine.count += records.length
    for (const record of records) {
      if (record.kind === 'train') mine.steps.push(record.step)
      if (record.kind === 'event') log(run, record.step, record.name)
      if (record.kind === 'probe' && record.step > 0)
        log(run, record.step, record.probe + ' ' + (record.deltaNats < 0 ? '' : '+') + Number(record.deltaNats).toFixed(4) + ' nats/token')
    }
    if (mine.steps.length > 20000) mine.steps.splice(0, 10000)
  }
  // in messages that the server takes, however many runs there are
  const followAll = () => {
    const parts = [{}]
    let size = 0
    for (const [run, position] of positions) {
      size += JSON.stringify([run, position]).length
      if (size > 10000) {
        parts.push({})
        size = 0
      }
      parts.at(-1)[run] = position
    }
    parts.forEach((from, i) => send({ type: 'follow', from, history: 200, more: i < parts.length - 1 }))
  }
  const reset = ({ run, next }) => {
    positions.delete(run)
    received[run] = { first: next, count: 0, steps: [] }
    log(run, '', 'continues from an earlier step')
  }
  const log = (run, step, text) => {
    const list = byId('log')
    list.hidden = false
    list.prepend(make('div', { textContent: run + '  step ' + step + '  ' + text }))
    while (list.childElementCount > 200) list.lastChild.remove()
  }

${STEERING_SCRIPT}
  // the connection

  const tell = text => {
    const box = byId('message')
    box.hidden = false
    box.textContent = text
    clearTimeout(tell.timer)
    tell.timer = setTimeout(() => { box.hidden = true }, 6000)
  }
  const takers = {
    hello: message => {
      canWrite = message.canWrite
      showWalk(message.walk)
      canScore = message.canScore
      showScores('Let go of a slider to measure what it does to the held-out sets.', 'idle')
      for (const { slider } of sliders.values()) slider.disabled = !canWrite
    },
    runs: message => showRuns(message.runs),
    records: takeRecords,
    reset,
    gates: message => showGates(message.gates),
    result: message => {
      if (!message.error) {
        if (canScore && message.id === measuredAfter) measure()
        return
      }
      tell(message.error)
      // what was refused has not moved
      showGates(lastGates)
    },
    error: message => tell(message.message),
  }
  const connect = () => {
    socket = new WebSocket('ws://' + location.host + '/live?token=' + token)
    socket.onopen = () => {
      waitMs = 250
      window.llamaProLive.connections++
      byId('connection').className = 'open'
      set(byId('connection'), 'live')
      followAll()
      sendView()
    }
    socket.onmessage = event => {
      const started = performance.now()
      const message = JSON.parse(event.data)
      if (message.type === 'figure')
        drawFigure(message, started)
          .catch(error => tell(String(error)))
          .finally(() => send({ type: 'drawn', figure: message.figure }))
      else takers[message.type](message)
    }
    socket.onclose = () => {
      byId('connection').className = ''
      set(byId('connection'), 'not connected; trying again')
      setTimeout(connect, waitMs * (0.75 + Math.random() / 2))
      waitMs = Math.min(5000, waitMs * 1.6)
    }
  }

  for (const name of (query.get('figures') || document.body.dataset.figures).split(/[ ,]+/)) addCard(name)
  byId('options').addEventListener('input', event => {
    touched.add(event.target.id)
    set(byId('smoothing').nextElementSibling, Number(byId('smoothing').value).toFixed(2))
    sendView()
  })
  byId('options').addEventListener('submit', event => event.preventDefault())
  dark.addEventListener('change', sendView)
  document.addEventListener('visibilitychange', sendView)
  connect()
})()
`
