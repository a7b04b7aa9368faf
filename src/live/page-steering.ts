/**
 * The part of the page's script that asks things of the session: gates with what they do, and the walk through block expansion. It stands
 * within the page's own function, whose helpers it uses.
 */
export const STEERING_SCRIPT = `  // gates

  const sliders = new Map()
  let lastGates = []
  let gateTimer = 0
  const addSlider = layer => {
    const name = layer === 'all' ? 'all' : 'block ' + layer
    const slider = make('input', { type: 'range', min: 0, max: 1, step: 0.01, value: 1, disabled: !canWrite })
    slider.setAttribute('aria-label', 'gate of ' + name)
    const output = make('output')
    slider.oninput = () => {
      set(output, Number(slider.value).toFixed(2))
      clearTimeout(gateTimer)
      gateTimer = setTimeout(() => ask(wish()), 60)
    }
    // released: its effect is measured once the session has taken it
    slider.onchange = () => {
      clearTimeout(gateTimer)
      measuredAfter = ask(wish())
    }
    const wish = () => ({ type: 'gate', value: Number(slider.value), ...(layer === 'all' ? {} : { layer }) })
    const label = make('label', {}, name, slider, output)
    byId('gates').append(label)
    sliders.set(layer, { label, slider, output })
    return sliders.get(layer)
  }
  const showGates = gates => {
    lastGates = gates
    byId('gates').hidden = gates.length === 0
    // those of a model that is no longer there would ask for what cannot be
    const layers = gates.length === 0 ? [] : ['all', ...gates.map(gate => gate[0])]
    if (layers.join() !== [...sliders.keys()].join()) {
      for (const { label } of sliders.values()) label.remove()
      sliders.clear()
    }
    if (gates.length === 0) return
    const values = gates.map(gate => gate[1])
    const common = values.every(value => value === values[0]) ? values[0] : null
    for (const [layer, value] of [['all', common], ...gates]) {
      const { slider, output } = sliders.get(layer) || addSlider(layer)
      if (slider.matches(':active')) continue
      if (value !== null) slider.value = value
      set(output, value === null ? '' : value.toFixed(2))
    }
  }
  const ask = wish => {
    send({ ...wish, id: ++requests })
    return requests
  }

  // what the gates do to the held-out sets

  let canScore = false
  let measuredAfter = 0
  let isMeasuring = false
  let isStale = false
  let before = new Map()
  const showScores = (text, state) => {
    byId('scores').hidden = !canScore
    byId('scores').dataset.state = state
    set(byId('scores'), text)
  }
  const scoreText = ({ probe, lossNats }) => {
    const change = before.has(probe) ? lossNats - before.get(probe) : null
    const sign = change > 0 ? '+' : change < 0 ? '\\u2212' : ''
    return probe + ' ' + lossNats.toFixed(4) + (change === null ? '' : ' (' + sign + Math.abs(change).toFixed(4) + ')')
  }
  const measureOnce = async () => {
    showScores('measuring', 'busy')
    const answer = await fetch('gates/scores?token=' + token)
    if (!answer.ok) return showScores(await answer.text(), 'failed')
    const scores = await answer.json()
    if (scores.length === 0) return showScores('There are no held-out sets to measure: lab.probes({ ... })', 'failed')
    showScores('Loss with these gates, nats/token: ' + scores.map(scoreText).join(', '), 'done')
    before = new Map(scores.map(({ probe, lossNats }) => [probe, lossNats]))
  }
  // one at a time; those that are asked for meanwhile are one more
  const measure = async () => {
    isStale = true
    if (isMeasuring) return
    isMeasuring = true
    while (isStale) {
      isStale = false
      await measureOnce().catch(error => showScores(String(error), 'failed'))
    }
    isMeasuring = false
  }

  // the walk: each step is computed by the session when it is asked for

  const walk = { names: [], shown: null, asked: 0 }
  const showWalk = names => {
    byId('walk').hidden = names.length === 0
    if (names.join() === walk.names.join()) return
    walk.names = names
    const step = (name, i) => make('button', { type: 'button', textContent: i + 1 + ' ' + name.replace('-', ' '), onclick: () => walkTo(i).catch(error => tell(String(error))) })
    byId('walk').querySelector('.steps').replaceChildren(...names.map(step))
  }
  const walkTo = async index => {
    const name = walk.names[index]
    if (name === undefined) return
    walk.shown = index
    const asked = ++walk.asked
    const buttons = byId('walk').querySelectorAll('button')
    buttons.forEach((button, i) => button.setAttribute('aria-pressed', i === index))
    const image = byId('walk').querySelector('img')
    image.className = 'stale'
    byId('ladder').hidden = name !== 'ladder'
    const wishes = new URLSearchParams({ token })
    const prompt = byId('prompt').value.trim()
    if (prompt) wishes.set('prompt', prompt)
    if (name === 'ladder' && byId('groups').value) {
      wishes.set('groups', byId('groups').value)
      wishes.set('placement', byId('placement').value)
    }
    const answer = await fetch('walk/' + name + '.svg?' + wishes)
    if (walk.asked !== asked) return
    image.className = ''
    if (!answer.ok) return tell(await answer.text())
    URL.revokeObjectURL(image.src)
    image.src = URL.createObjectURL(await answer.blob())
    image.alt = 'step ' + (index + 1) + ': ' + name
    image.hidden = false
  }
  byId('walk').addEventListener('keydown', event => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key]
    if (!by || walk.shown === null || event.target.matches('input,select')) return
    byId('walk').querySelectorAll('button')[walk.shown + by]?.focus()
    walkTo(walk.shown + by).catch(error => tell(String(error)))
  })

  byId('ladder').addEventListener('input', () => walkTo(walk.shown).catch(error => tell(String(error))))
  byId('walk').querySelector('form').addEventListener('submit', event => {
    event.preventDefault()
    walkTo(walk.shown ?? 0).catch(error => tell(String(error)))
  })
`
