import { palette, surfaces } from '../plot/palette.js'

const colors = (theme: 'light' | 'dark') => {
  const { background, grid, axis } = surfaces[theme]
  const muted = theme === 'light' ? palette.muted.lightText : palette.muted.dark
  const back = theme === 'light' ? '#F6F8FA' : '#010409'
  const accent = theme === 'light' ? palette.blue.lightText : palette.blue.dark
  const alarm = theme === 'light' ? palette.vermillion.lightText : palette.vermillion.dark
  const good = theme === 'light' ? palette.green.lightText : palette.green.dark
  return `--card:${background};--page:${back};--ink:${palette.ink[theme]};--muted:${muted};--line:${grid};--edge:${axis};--accent:${accent};--alarm:${alarm};--good:${good}`
}

/** Style of the live page, light and dark. */
export const PAGE_STYLE = `
:root{color-scheme:light dark;${colors('light')}}
@media (prefers-color-scheme:dark){:root{${colors('dark')}}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:14px/1.45 system-ui,"Segoe UI",Roboto,Arial,"DejaVu Sans",sans-serif}
header{display:flex;align-items:baseline;gap:12px;padding:14px 20px 0}
h1{font-size:18px;margin:0}
main{padding:12px 20px 48px;max-width:1680px;margin:0 auto}
#connection{font-size:12px;color:var(--muted)}
#connection::before{content:"";display:inline-block;width:8px;height:8px;border-radius:4px;margin-right:6px;background:var(--alarm)}
#connection.open::before{background:var(--good)}
.card{background:var(--card);border:1px solid var(--line);border-radius:8px;min-width:0}
#runs{overflow:auto;max-height:40vh;margin-bottom:12px}
#runs thead th{position:sticky;top:0;background:var(--card)}
#runs table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
#runs th{font-size:12px;font-weight:600;color:var(--muted);text-align:left}
#runs th,#runs td{padding:6px 12px;white-space:nowrap;border-bottom:1px solid var(--line)}
#runs tr:last-child td{border-bottom:0}
#runs td.number,#runs th.number{text-align:right}
#runs label{display:flex;align-items:center;gap:8px;cursor:pointer}
#runs .swatch{width:18px;height:4px;border-radius:2px;background:currentColor}
#runs .swatch.dashed{border-radius:0;background:repeating-linear-gradient(90deg,currentColor 0 5px,transparent 5px 8px)}
#runs .bar{width:120px;height:6px;border-radius:3px;background:var(--line);overflow:hidden;display:inline-block;vertical-align:middle;margin-right:8px}
#runs .bar i{display:block;height:100%;background:var(--accent)}
#runs .training{color:var(--good)}
#runs .problem{color:var(--alarm);white-space:normal}
#runs .none{color:var(--muted)}
button,.button{font:inherit;font-size:12px;color:var(--ink);background:transparent;border:1px solid var(--edge);border-radius:6px;padding:2px 9px;cursor:pointer;text-decoration:none}
button:hover,.button:hover{border-color:var(--accent);color:var(--accent)}
button:disabled{opacity:.45;cursor:default}
#options,#gates{display:flex;flex-wrap:wrap;align-items:center;gap:6px 20px;padding:8px 12px;margin-bottom:12px;font-size:13px}
#options label,#gates label{display:flex;align-items:center;gap:6px;color:var(--muted)}
#gates b{font-weight:600}
#gates p{flex-basis:100%;margin:0;color:var(--muted);font-variant-numeric:tabular-nums}
#gates output{font-variant-numeric:tabular-nums;min-width:3ch;color:var(--ink)}
select{font:inherit;font-size:13px;color:var(--ink);background:var(--card);border:1px solid var(--edge);border-radius:6px;padding:1px 4px}
input[type=range]{width:110px;accent-color:var(--accent)}
input[type=checkbox]{accent-color:var(--accent);margin:0}
[hidden]{display:none!important}
#figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(560px,100%),1fr));gap:12px;grid-auto-flow:dense}
.figure{padding:10px 12px 4px}
.figure.wide{grid-column:1/-1}
.figure h2{font-size:14px;margin:0;flex:1}
.figure .head{display:flex;align-items:center;gap:6px}
.figure .head button,.figure .head .button{border-color:transparent;color:var(--muted);padding:1px 6px}
.figure p{margin:0 0 6px;color:var(--muted);font-size:12px}
.figure .plot{min-height:380px}
.figure.empty .plot,.figure.empty p,.figure.empty .head button,.figure.empty .head .button{display:none}
.figure.empty{order:1;padding-bottom:10px;align-self:start}
.figure.empty h2::after{content:" no data yet";font-weight:400;color:var(--muted);margin-left:8px}
#walk{display:flex;flex-wrap:wrap;align-items:center;gap:8px 12px;padding:8px 12px;margin-bottom:12px;font-size:13px}
#walk .steps{display:inline-flex;flex-wrap:wrap;gap:6px}
#walk form{display:inline-flex}
#walk label{display:flex;align-items:center;gap:6px;color:var(--muted)}
#walk #ladder{display:inline-flex;gap:12px}
#walk #groups{width:9ch}
#walk input{font:inherit;width:min(34ch,60vw);color:var(--ink);background:transparent;border:1px solid var(--edge);border-radius:6px;padding:2px 8px}
#walk button[aria-pressed=true]{border-color:var(--accent);color:var(--accent)}
#walk img{display:block;max-width:100%;flex-basis:auto;margin:2px 0;border-radius:6px}
#walk img.stale{opacity:.4}
#log{margin-top:12px;padding:8px 12px;font:12px/1.6 ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace;max-height:180px;overflow-y:auto;color:var(--muted)}
#log div{white-space:pre-wrap}
#message{position:fixed;right:20px;bottom:20px;padding:8px 14px;border-color:var(--alarm);color:var(--alarm)}
.embedded header,.embedded #log,.embedded #options,.embedded #walk{display:none}
.embedded main{padding:4px}
.embedded .figure .plot{min-height:300px}
`
