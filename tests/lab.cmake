# The lab's tests: each scenario passes alone, refusals are told, runs repeat byte for byte.
file(GLOB_RECURSE scenarios CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/lab/scenarios/*.lua)
list(FILTER scenarios EXCLUDE REGEX "/common\\.lua$") # what scenarios share
list(APPEND scenarios ${CMAKE_SOURCE_DIR}/tests/scenarios/corrupted_stream.lua)
set(slow OFF)
if(HF_SANITIZE OR CMAKE_C_COMPILER_ID MATCHES Clang) # the same with fewer
  set(slow ON)
  set(smaller_s6_restart -p clients=500)
  set(smaller_s4_ten_thousand -p seconds=1)
endif()
foreach(scenario ${scenarios})
  get_filename_component(name ${scenario} NAME_WE)
  file(RELATIVE_PATH path ${CMAKE_SOURCE_DIR} ${scenario})
  add_test(NAME scenario_${name} COMMAND holdfast_cli lab ${path} --quiet --expectations ${smaller_${name}}
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(scenario_${name} PROPERTIES SKIP_RETURN_CODE 77)
endforeach()

foreach(drawn chaos detect_any)
  add_test(NAME scenario_${drawn} COMMAND holdfast_cli lab tests/scenarios/${drawn}.lua --seeds 1-80
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
endforeach()

# The kernel in real time: those of the collection that it can play in seconds, and its own. What fails is tried once
# more, since another process may have had the machine.
file(GLOB on_linux CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/on_linux/*.lua)
foreach(name abort close_active close_half close_passive close_unread data_both_ways handshake loss_bulk not_accepted
    peer_reboot refused systems/customer_complaint systems/listener_linger systems/s6_restart)
  list(APPEND on_linux ${CMAKE_SOURCE_DIR}/lab/scenarios/${name}.lua)
endforeach()
list(FILTER on_linux EXCLUDE REGEX "unseen_fault|own_option")
foreach(scenario ${on_linux})
  get_filename_component(name ${scenario} NAME_WE)
  file(RELATIVE_PATH path ${CMAKE_SOURCE_DIR} ${scenario})
  add_test(NAME on_linux_${name} COMMAND ${CMAKE_SOURCE_DIR}/tests/on_linux/twice $<TARGET_FILE:holdfast_cli> ${path}
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(on_linux_${name} PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 180)
endforeach()
add_test(NAME on_linux_refuses COMMAND ${CMAKE_SOURCE_DIR}/tests/on_linux/refuses $<TARGET_FILE:holdfast_cli>
  WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
set_tests_properties(on_linux_refuses PROPERTIES SKIP_RETURN_CODE 77)

# What Linux did against what the profile "linux" predicts; docs/AGREEMENT.md is this run's table. Slow builds leave out
# the bursts of thousands, and so have no table to compare.
if(slow)
  add_test(NAME agreement COMMAND holdfast_cli lab tests/agreement.lua -p bursts=0 --quiet --expectations
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
else()
  add_test(NAME agreement COMMAND ${CMAKE_SOURCE_DIR}/tools/agreement --check $<TARGET_FILE:holdfast_cli>)
endif()

add_test(NAME lab_cli COMMAND ${CMAKE_SOURCE_DIR}/tests/lab_cli $<TARGET_FILE:holdfast_cli>
  ${CMAKE_SOURCE_DIR}/tests/scenarios)
add_test(NAME page COMMAND ${CMAKE_SOURCE_DIR}/tests/page.sh $<TARGET_FILE:holdfast_cli> ${CMAKE_SOURCE_DIR}/lab/scenarios)
set_tests_properties(page PROPERTIES SKIP_RETURN_CODE 77)
if(NOT slow) # what these compare does not depend on the build: determinism has shown it
  add_test(NAME switch_off COMMAND ${CMAKE_SOURCE_DIR}/tests/switch_off $<TARGET_FILE:holdfast_cli> ${CMAKE_SOURCE_DIR})
  # The ladders and charts of docs/answers are what their scenarios give.
  add_test(NAME pages COMMAND ${CMAKE_SOURCE_DIR}/tools/pages $<TARGET_FILE:holdfast_cli> --check)
endif()
if(NOT HF_SANITIZE) # minutes, for what the build by clang shows as well
  add_test(NAME determinism COMMAND ${CMAKE_SOURCE_DIR}/tests/determinism $<TARGET_FILE:holdfast_cli>
    ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/build/dev/bin/holdfast ${CMAKE_SOURCE_DIR}/build/clang/bin/holdfast)
endif()
