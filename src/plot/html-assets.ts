import { palette, surfaces } from './palette.js'

const colors = (theme: 'light' | 'dark') =>
  `--page:${surfaces[theme].background};--ink:${palette.ink[theme]};--muted:${theme === 'light' ? palette.muted.lightText : palette.muted.dark};--line:${surfaces[theme].grid}`

/** Style of the self-contained page, light and dark. */
export const HTML_STYLE = `
:root{${colors('light')}}
@media (prefers-color-scheme:dark){:root{${colors('dark')}}}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,"Segoe UI",Roboto,Arial,"DejaVu Sans",sans-serif}
main{max-width:1080px;margin:0 auto;padding:24px 20px 64px}
h1{font-size:24px;margin:0 0 16px}
h2{font-size:16px;margin:32px 0 8px}
figure{margin:0 0 28px}
figcaption{color:var(--muted);font-size:13px;padding:4px 16px 0}
.figure svg.lab-figure{max-width:100%;height:auto;display:block}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums}
th,td{padding:4px 12px 4px 0;text-align:left;border-bottom:1px solid var(--line);white-space:nowrap}
th{color:var(--muted);font-weight:600}
.number{text-align:right}
details{margin-top:24px}
summary{cursor:pointer;font-weight:600}
pre{overflow-x:auto;font:12px/1.5 ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace;border:1px solid var(--line);border-radius:6px;padding:12px}
`

/**
 * Replaces each SVG by an interactive plot once plotly.js is there; when that fails the SVG stays. The colours follow the reader's
 * preference while the page is open, and a button of each plot saves the SVG it replaced.
 */
export const HTML_SCRIPT = `
(function () {
  if (!window.Plotly) return
  var specs = JSON.parse(document.getElementById('figures').textContent)
  var dark = window.matchMedia('(prefers-color-scheme: dark)')
  function saveSvg(svg, title) {
    var link = document.createElement('a')
    link.href = URL.createObjectURL(new Blob([svg], { type: 'image/svg+xml' }))
    link.download = title.replace(/[^\\w-]+/g, '-').toLowerCase() + '.svg'
    link.click()
    setTimeout(function () { URL.revokeObjectURL(link.href) }, 1000)
  }
  document.querySelectorAll('.figure').forEach(function (box) {
    var spec = specs[Number(box.dataset.index)]
    var svg = box.querySelector('svg').outerHTML
    var target = document.createElement('div')
    function draw() {
      var plot = dark.matches ? spec.dark : spec.light
      var save = {
        name: 'svg', title: 'Download as SVG', icon: window.Plotly.Icons.disk,
        click: function () { saveSvg(svg, plot.layout.title.text) }
      }
      var config = Object.assign({}, plot.config, { modeBarButtonsToAdd: [save] })
      return window.Plotly.react(target, plot.data, plot.layout, config)
    }
    box.appendChild(target)
    draw().then(function () {
      box.querySelector('svg.lab-figure').remove()
      dark.addEventListener('change', draw)
    }, function (error) {
      target.remove()
      console.error(error)
    })
  })
})()
`
